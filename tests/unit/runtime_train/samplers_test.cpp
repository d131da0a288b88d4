// SPDX-License-Identifier: Apache-2.0
// Every sampler in the real loop: what a run costs, and the scores and models that it is given.
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/rng.h"
#include "engine/io/records.h"
#include "graph/plan/fuse.h"
#include "kernels/api/softmax_xent.h"
#include "models/spec/model_spec.h"
#include "runtime/data/synthetic.h"
#include "runtime/train/irreducible_loss.h"
#include "runtime/train/trainer.h"
#include "sampler/select/registry.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_train/small_run.h"

namespace graft::train {
namespace {

using testing::small_options;
using testing::TempFolder;

constexpr std::int64_t kExamples = 140, kEpochs = 3, kBatch = 32;
const std::string kData = "synthetic:train=140,test=20";

struct Outcome {
  RunResult result;
  std::vector<Json> epochs;
};

Outcome run(const std::string& sampler, const std::map<std::string, std::string>& options,
            const std::string& preset = "default") {
  const TempFolder folder;
  TrainOptions o = small_options((folder / "run").string());
  o.data = kData;
  o.select_batch = 0;
  o.sampler = sampler;
  o.sampler_preset = preset;
  o.sampler_options = options;
  const auto ctx = make_context("cpu", 1);
  Trainer trainer(*ctx, o, o.out);
  Outcome out;
  trainer.on_epoch([&](const Json& record) { out.epochs.push_back(record); });
  out.result = trainer.run();
  EXPECT_EQ(out.result.end, RunResult::End::kFinished) << sampler;
  EXPECT_TRUE(std::isfinite(out.result.test_loss)) << sampler;
  EXPECT_EQ(out.result.counters.forward_train, out.result.counters.backprops) << sampler;
  return out;
}

TEST(SamplerRun, EverySamplerCountsEveryExampleOfEveryEpoch) {
  for (const std::string& name : sampler_names()) {
    const Counters c = run(name, {}).result.counters;
    EXPECT_EQ(c.candidates, kEpochs * kExamples) << name;
    EXPECT_GT(c.updates, 0) << name;
    EXPECT_EQ(cost_units(c), static_cast<double>(c.forward_select + 3 * c.backprops)) << name;
  }
}

TEST(SamplerRun, CostsFollowTheFormulas) {
  const std::int64_t n = kExamples;
  const auto counters = [](const std::string& name,
                           const std::map<std::string, std::string>& options,
                           const std::string& preset = "default") {
    return run(name, options, preset).result.counters;
  };
  // Section 4.6: StaleSB forwards N ceil(E / n), the default gets the first epoch free.
  EXPECT_EQ(counters("stale", {{"staleness", "2"}}, "paper").forward_select, 2 * n);
  EXPECT_EQ(counters("stale", {{"staleness", "2"}}).forward_select, n);
  // Sorted selection: a share of every slice of 32; the last has 12.
  for (const char* name : {"topk", "lowk"}) {
    const Counters c = counters(name, {{"keep", "0.5"}});
    EXPECT_EQ(c.forward_select, kEpochs * n) << name;
    EXPECT_EQ(c.backprops, kEpochs * (4 * 16 + 6)) << name;
  }
  // composer: the first, third and fifth batch are selected from.
  const Counters batchsb = counters("batchsb", {{"start", "0"}, {"end", "1"}});
  EXPECT_EQ(batchsb.forward_select, kEpochs * (32 + 32 + 12));
  EXPECT_EQ(batchsb.backprops, kEpochs * (16 + 32 + 16 + 32 + 6));
  EXPECT_EQ(batchsb.updates, kEpochs * 5);
  // Kath18 while it is off: free for the original, a forward each for the thesis' variant.
  EXPECT_EQ(counters("kath18", {{"tau_threshold", "1000"}}).forward_select, 0);
  EXPECT_EQ(counters("kath18", {{"tau_threshold", "1000"}}).backprops, kEpochs * n);
  EXPECT_EQ(counters("kath18", {}, "paper").forward_select, kEpochs * n);
  // On: B_pre forwards and b backprops an update (96 and 32; the 44 left make 15), after one slice
  // off.
  const Counters on = counters("kath18", {{"tau_threshold", "1"}, {"momentum", "0"}});
  EXPECT_EQ(on.forward_select, kEpochs * n - 96);
  EXPECT_EQ(on.backprops, 96 + (kEpochs - 1) * 32 + kEpochs * 15);
}

TEST(SamplerRun, InfoBatchTrainsWhatItPlans) {
  const Outcome r = run("infobatch", {{"delta", "0.67"}});
  ASSERT_EQ(r.epochs.size(), 3U);
  const auto backprops = [&](std::size_t epoch) {
    return r.epochs[epoch].at("backprops").get<std::int64_t>();
  };
  EXPECT_EQ(r.result.counters.forward_select, 0);
  EXPECT_EQ(backprops(0), kExamples);
  const std::int64_t second = backprops(1) - backprops(0);
  EXPECT_LT(second, kExamples * 85 / 100);
  EXPECT_GT(second, kExamples / 2);
  EXPECT_EQ(backprops(2) - backprops(1), kExamples);  // epochs from delta on are whole
}

TEST(SamplerRun, KakurenboForwardsEveryExampleOnceAnEpoch) {
  const Outcome r = run("kakurenbo", {{"confidence", "0.1"}, {"fraction", "0.4"}});
  std::int64_t hidden = 0;
  for (std::size_t i = 0; i < r.epochs.size(); ++i) {
    EXPECT_EQ(r.epochs[i].at("forward_train").get<std::int64_t>() +
                  r.epochs[i].at("forward_select").get<std::int64_t>(),
              static_cast<std::int64_t>(i + 1) * kExamples);
    hidden = r.epochs[i].at("forward_select");
    if (i == 0) {
      EXPECT_EQ(hidden, 0);
    }
  }
  EXPECT_GT(hidden, 0);
}

TEST(SamplerRun, RhoPaysForItsModel) {
  const Counters c = run("rho", {{"keep", "0.25"}, {"il_epochs", "2"}}).result.counters;
  const std::int64_t half = kExamples / 2;
  // A slice of 128 has room for the whole half: 17 of its 70.
  EXPECT_EQ(c.forward_select, half + kEpochs * half);
  EXPECT_EQ(c.backprops, 2 * half + kEpochs * 17);
  EXPECT_EQ(c.candidates, kEpochs * kExamples);
}

TEST(SamplerRun, PredictedForwardsLessThanSb) {
  const Counters sb = run("sb", {}).result.counters;
  for (const char* predictor : {"ewma", "gp"}) {
    const Counters c = run("predicted", {{"predictor", predictor}, {"k", "0.5"}}).result.counters;
    EXPECT_LT(c.forward_select, sb.forward_select) << predictor;
    EXPECT_GT(c.backprops, kExamples) << predictor;
  }
}

TEST(SamplerRun, RateFollowsThePassesOverTheDataWhateverIsPlanned) {
  // A cosine reaches its end in the last epoch also where an epoch leaves examples out.
  for (const char* name : {"traditional", "infobatch", "rho"}) {
    const TempFolder folder;
    TrainOptions o = small_options((folder / "run").string());
    o.data = kData;
    o.select_batch = 0;
    o.sampler = name;
    if (o.sampler == "rho") o.sampler_options = {{"keep", "0.5"}, {"il_epochs", "1"}};
    o.lr_policy = "step:gamma=0.1,at=2";
    const auto ctx = make_context("cpu", 1);
    Trainer trainer(*ctx, o, o.out);
    std::vector<double> rates;
    trainer.on_epoch([&](const Json& record) { rates.push_back(record.at("lr")); });
    (void)trainer.run();
    ASSERT_EQ(rates.size(), 3U);
    EXPECT_DOUBLE_EQ(rates[1], o.lr) << name;
    EXPECT_DOUBLE_EQ(rates[2], o.lr * 0.1) << name;
  }
}

TEST(IrreducibleLoss, OfTheHalfThatItDidNotTrainOn) {
  Context ctx(Backend::kCpu, 1);
  const Graph graph = fuse(build_model(parse_model_spec("small_cnn"), {}));
  const auto data = std::make_shared<data::Synthetic>(
      data::SyntheticOptions{.train = 101, .test = 10}, data::Split::kTrain);
  const LrPolicy lr(parse_lr_spec("fixed", {.base_lr = 0.05, .epochs = 2}), LrClock::kCandidates,
                    50);
  const auto losses = [&](std::int64_t epochs) {
    return irreducible_losses(ctx, graph, data, lr,
                              {.network = {.max_batch = kBatch, .optimizer = {}, .seed = 1},
                               .epochs = epochs,
                               .batch = kBatch,
                               .seed = 1,
                               .train_augment = data::training_augment(*data),
                               .eval_augment = data::evaluation_augment(*data)});
  };
  const auto two = losses(2);
  ASSERT_TRUE(two.has_value());
  ASSERT_EQ(two->by_id.size(), 101U);
  for (std::size_t id = 0; id < two->by_id.size(); ++id) {
    EXPECT_EQ(std::isnan(two->by_id[id]), id % 2 == 1) << id;
  }
  EXPECT_EQ(two->cost, (Counters{.forward_select = 51, .forward_train = 100, .backprops = 100}));
  const auto again = losses(2), longer = losses(3);
  for (std::size_t id = 0; id < two->by_id.size(); id += 2) {
    EXPECT_EQ(again->by_id[id], two->by_id[id]);
    EXPECT_GE(two->by_id[id], 0);
    EXPECT_NE(longer->by_id[id], two->by_id[id]);
  }
}

TEST(IrreducibleLoss, IsNotTrainedAgainByAResume) {
  const TempFolder folder;
  TrainOptions o = small_options((folder / "run").string());
  o.data = kData;
  o.sampler = "rho";
  o.sampler_options = {{"keep", "0.5"}, {"il_epochs", "1"}};
  const auto ctx = make_context("cpu", 1);
  {
    Trainer first(*ctx, o, o.out);
    first.on_epoch([](const Json&) { throw std::runtime_error("killed"); });
    EXPECT_THROW((void)first.run(), std::runtime_error);  // before the epoch's checkpoint
  }
  o.resume = true;
  Trainer second(*ctx, o, o.out);
  const std::int64_t half = kExamples / 2;
  EXPECT_EQ(second.step().counters(),
            (Counters{.forward_select = half, .forward_train = half, .backprops = half}));
  const RunResult result = second.run();
  EXPECT_EQ(result.counters.forward_select, half + kEpochs * half);
}

TEST(Kath18, A25_ScoreIsTheGradientOfTheLogits) {
  Context ctx(Backend::kCpu, 1);
  constexpr std::int64_t kRows = 64, kClasses = 10;
  Tensor logits = Tensor::zeros(ctx.memory(), {kRows, kClasses});
  Tensor label = Tensor::zeros(ctx.memory(), {kRows}, DType::kI32);
  Tensor weight = Tensor::zeros(ctx.memory(), {kRows}), norm = Tensor::zeros(ctx.memory(), {kRows});
  Tensor confidence = Tensor::zeros(ctx.memory(), {kRows});
  Tensor gradient = Tensor::zeros(ctx.memory(), {kRows, kClasses});
  Philox rng({.seed = 25});
  for (std::int64_t i = 0; i < kRows * kClasses; ++i) {
    logits.ptr<float>()[i] = static_cast<float>(8 * rng.normal());
  }
  for (std::int64_t r = 0; r < kRows; ++r) {
    label.ptr<std::int32_t>()[r] = static_cast<std::int32_t>(rng.below(kClasses));
    weight.ptr<float>()[r] = 1;
  }
  kernels::softmax_scores(ctx, logits, label, confidence, norm);
  kernels::softmax_xent_bwd(ctx, 0, logits, label, weight, kernels::GradMode::kOverwrite, gradient);
  for (std::int64_t r = 0; r < kRows; ++r) {
    double squares = 0;
    for (std::int64_t c = 0; c < kClasses; ++c) {
      const auto g = static_cast<double>(gradient.ptr<float>()[r * kClasses + c]);
      squares += g * g;
    }
    EXPECT_NEAR(norm.ptr<float>()[r], std::sqrt(squares), 1e-6) << r;
    EXPECT_LE(norm.ptr<float>()[r], std::sqrt(2.) + 1e-6);
  }
}

}  // namespace
}  // namespace graft::train
