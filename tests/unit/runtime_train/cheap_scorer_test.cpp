// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/cheap_scorer.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/rng.h"
#include "graph/plan/fuse.h"
#include "kernels/api/backend_info.h"
#include "models/spec/model_spec.h"
#include "runtime/train/network.h"
#include "runtime/train/selection_monitor.h"
#include "sampler/score/loss_history.h"
#include "sampler/score/priority.h"
#include "tests/support/fails_with.h"
#include "tests/support/tensors.h"

namespace graft::train {
namespace {

using testing::fails_with;

constexpr std::int64_t kBatch = 16;

bool has_bf16() { return kernels::why_not_fast(DType::kBF16) == nullptr; }
bool has_int8() { return kernels::why_not_fast(DType::kI8) == nullptr; }

/// A network after a few steps, so that no statistic is at its start, and a slice to score.
struct Setting {
  explicit Setting(const std::string& model, Norm norm = Norm::kBatch,
                   MemoryResource& memory = host_memory())
      : ctx(Backend::kCpu, 1, memory),
        network(ctx, fuse(build_model(parse_model_spec(model), {.norm = norm})),
                {.max_batch = kBatch, .optimizer = {}, .seed = 1}) {
    for (std::int64_t i = 1; i <= 3; ++i) step(i);
  }

  void step(std::int64_t number) {
    TimeSplit time;
    const std::vector<float> weights(kBatch, 1.0F / kBatch);
    std::vector<float> losses(kBatch);
    (void)network.step({x, y, ids, epochs}, weights, 0.02, number, {.losses = losses}, time);
  }
  std::vector<float> evaluation() {
    std::vector<float> loss(kBatch);
    network.score({x, y, ids, epochs}, Phase::kSelect, {.losses = loss});
    return loss;
  }
  std::vector<float> cheap(CheapScorer& scorer) {
    std::vector<float> loss(kBatch);
    scorer.score(x, y, loss);
    return loss;
  }
  CheapScorer scorer(const CheapScorerOptions& options) {
    return {ctx, network.graph(), network.params(), options};
  }

  Context ctx;
  Network network;
  Tensor x =
      testing::converted(testing::normal({kBatch, 32, 32, 3}, 7), DType::kF32, host_memory());
  Tensor y = testing::labels(kBatch, 10, 8);
  std::vector<std::int64_t> ids = std::vector<std::int64_t>(kBatch, 0);
  std::vector<std::uint32_t> epochs = std::vector<std::uint32_t>(kBatch, 0);
};

CheapScorerOptions int8_options(std::int64_t calibrate_every = 100) {
  return {.dtype = SelectDType::kInt8, .max_batch = kBatch, .calibrate_every = calibrate_every};
}

CheapScorerOptions bf16_options() { return {.dtype = SelectDType::kBF16, .max_batch = kBatch}; }

/// Largest |a - b| / max(1, |b|).
double gap(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double want = static_cast<double>(b[i]);
    worst =
        std::max(worst, std::abs(static_cast<double>(a[i]) - want) / std::max(1.0, std::abs(want)));
  }
  return worst;
}

struct Case {
  const char* model;
  Norm norm;
};

class LowPrecision : public ::testing::TestWithParam<Case> {};

TEST_P(LowPrecision, A40_FoldedLossIsTheUnfoldedOne) {
  Setting s(GetParam().model, GetParam().norm);
  CheapScorer scorer = s.scorer({.max_batch = kBatch});
  EXPECT_LE(gap(s.cheap(scorer), s.evaluation()), 1e-5);
  s.step(4);  // new weights and statistics are folded again
  EXPECT_LE(gap(s.cheap(scorer), s.evaluation()), 1e-5);
}

TEST_P(LowPrecision, Int8LossesKeepTheOrder) {
  if (!has_int8()) GTEST_SKIP() << kernels::why_not_fast(DType::kI8);
  Setting s(GetParam().model, GetParam().norm);
  CheapScorer scorer = s.scorer(int8_options());
  const auto cheap = s.cheap(scorer), exact = s.evaluation();
  EXPECT_GE(rank_correlation(cheap, exact), 0.9);
  EXPECT_NE(cheap, exact);
}

TEST_P(LowPrecision, Bf16LossesKeepTheOrder) {
  if (!has_bf16()) GTEST_SKIP() << kernels::why_not_fast(DType::kBF16);
  Setting s(GetParam().model, GetParam().norm);
  CheapScorer scorer = s.scorer(bf16_options());
  for (const std::int64_t number : {4, 5}) {  // new weights are folded and rounded again
    const auto cheap = s.cheap(scorer), exact = s.evaluation();
    EXPECT_GE(rank_correlation(cheap, exact), 0.95);
    EXPECT_LE(gap(cheap, exact), 0.05);
    EXPECT_NE(cheap, exact);
    s.step(number);
  }
  EXPECT_TRUE(scorer.state().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, LowPrecision,
    ::testing::Values(Case{"resnet8", Norm::kBatch}, Case{"resnet8", Norm::kGroup},
                      Case{"resnet20", Norm::kBatch}, Case{"wrn-16-1", Norm::kBatch},
                      Case{"wrn-16-1", Norm::kGroup}, Case{"mobilenet_v2:width=0.25", Norm::kBatch},
                      Case{"densenet-bc-10-4", Norm::kBatch},
                      Case{"densenet-bc-10-4", Norm::kGroup}),
    [](const auto& test) {
      std::string text = std::string(test.param.model) + "_" + graft::name(test.param.norm);
      std::replace_if(
          text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
      return text;
    });

TEST(CheapSelection, WarmScoreDoesNotAllocate) {
  std::vector<CheapScorerOptions> all = {{.max_batch = kBatch}};
  if (has_bf16()) all.push_back(bf16_options());
  if (has_int8()) all.push_back(int8_options(2));
  for (const CheapScorerOptions& options : all) {
    StatsResource stats(host_memory());
    Setting s("resnet8", Norm::kBatch, stats);
    CheapScorer scorer = s.scorer(options);
    std::vector<float> loss(kBatch);
    for (std::int64_t i = 4; i < 7; ++i) {
      s.step(i);
      scorer.score(s.x, s.y, loss);
    }
    s.step(7);
    const auto before = stats.allocations();
    for (int i = 0; i < 4; ++i) scorer.score(s.x, s.y, loss);
    EXPECT_EQ(stats.allocations(), before) << name(options.dtype);
  }
}

TEST(CheapSelection, RestoredStateGivesTheSameLosses) {
  if (!has_int8()) GTEST_SKIP() << kernels::why_not_fast(DType::kI8);
  Setting s("resnet8");
  CheapScorer one = s.scorer(int8_options(3));
  (void)s.cheap(one);
  s.step(4);
  (void)s.cheap(one);
  const auto state = one.state();
  std::vector<std::vector<float>> want, got;
  CheapScorer other = s.scorer(int8_options(3));
  other.restore(state);
  for (int i = 0; i < 4; ++i) {  // across the next calibration
    s.step(5 + i);
    want.push_back(s.cheap(one));
    got.push_back(s.cheap(other));
  }
  EXPECT_EQ(got, want);
  EXPECT_EQ(other.state(), one.state());
  EXPECT_TRUE(fails_with(Errc::kModel, {"does not fit"}, [&] { other.restore({}); }));
}

TEST(CheapSelection, LossesDependOnThePartOfTheSliceOnlyThroughCalibration) {
  if (!has_int8()) GTEST_SKIP() << kernels::why_not_fast(DType::kI8);
  Setting s("resnet8");
  CheapScorer scorer = s.scorer(int8_options());
  const auto all = s.cheap(scorer);
  std::vector<float> part(5);
  scorer.score(s.x.rows(3, 5), s.y.rows(3, 5), part);
  for (std::size_t i = 0; i < part.size(); ++i) {
    EXPECT_NEAR(part[i], all[3 + i], 1e-6);  // the classifier is f32
  }
}

TEST(CheapSelection, HalfTheImageCostsAQuarter) {
  Setting s("resnet8");
  CheapScorer scorer = s.scorer({.scale = 0.5, .max_batch = kBatch});
  EXPECT_NEAR(static_cast<double>(scorer.graph().flops()),
              0.25 * static_cast<double>(s.scorer({.max_batch = kBatch}).graph().flops()),
              0.01 * static_cast<double>(scorer.graph().flops()));
  const auto half = s.cheap(scorer), whole = s.evaluation();
  EXPECT_TRUE(std::all_of(half.begin(), half.end(), [](float v) { return std::isfinite(v); }));
  std::vector<float> exact(kBatch);
  scorer.score_exactly(s.x, s.y, exact);
  EXPECT_LE(gap(exact, whole), 1e-5);
}

TEST(CheapSelection, WhatCannotBeDoneIsRefused) {
  Setting s("resnet8");
  EXPECT_THROW(s.scorer({.scale = 0.3, .max_batch = kBatch}), Error);
  Context reference(Backend::kRef);
  EXPECT_TRUE(fails_with(Errc::kUnsupported, {"bf16", "reference"}, [&] {
    (void)CheapScorer(reference, s.network.graph(), s.network.params(), bf16_options());
  }));
  Graph flat;  // a head that knows its image's size
  const ValueId image = flat.input("image", {1, 7, 7, 3});
  flat.mark_output("loss", image);
  const ParamStore none(s.ctx, {}, DType::kF32);
  EXPECT_TRUE(fails_with(Errc::kUnsupported, {"global pooling"}, [&] {
    (void)CheapScorer(s.ctx, flat, none, {.scale = 0.5, .max_batch = kBatch});
  }));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"f16", "int8"}, [] { (void)parse_select_dtype("f16"); }));
  EXPECT_EQ(parse_select_dtype("int8"), SelectDType::kInt8);
}

/// Percentiles of `losses` among themselves.
std::vector<double> percentiles(const std::vector<float>& losses) {
  LossHistory history(static_cast<std::int64_t>(losses.size()));
  history.push(losses);
  std::vector<double> c;
  for (const float loss : losses) c.push_back(history.percentile(loss, Ties::kMid));
  return c;
}

/// Share of decisions u < c^beta that differ, over `draws` shared uniforms a candidate.
double flips(const std::vector<double>& a, const std::vector<double>& b, double beta, int draws) {
  Philox rng({.seed = 5, .purpose = RngPurpose::kTest});
  const Priority priority = Priority::power(beta);
  int differ = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (int d = 0; d < draws; ++d) {
      const double u = (d + rng.uniform_double()) / draws;  // stratified: little noise
      differ += (u < priority(a[i])) != (u < priority(b[i])) ? 1 : 0;
    }
  }
  return differ / (static_cast<double>(a.size()) * draws);
}

TEST(LowPrecision, A40_FlipRateIsBoundedByTheChangeOfPercentiles) {
  Philox rng({.seed = 3, .purpose = RngPurpose::kTest});
  for (const double noise : {0.0, 0.01, 0.1, 1.0}) {
    std::vector<float> exact, cheap;
    for (int i = 0; i < 400; ++i) {
      exact.push_back(static_cast<float>(std::exp(rng.normal())));
      cheap.push_back(exact.back() + static_cast<float>(noise * rng.normal()));
    }
    const auto c = percentiles(exact), d = percentiles(cheap);
    double change = 0;
    for (std::size_t i = 0; i < c.size(); ++i) change += std::abs(c[i] - d[i]);
    change /= static_cast<double>(c.size());
    for (const double beta : {1.0, 2.0, 5.0}) {  // Lipschitz constant of c^beta: beta
      const double rate = flips(c, d, beta, 200);
      EXPECT_LE(rate, beta * change + 2.0 / 200) << noise << " " << beta;
      if (noise == 0) {
        EXPECT_EQ(rate, 0);
      } else {
        EXPECT_GT(rate, 0);
      }
    }
  }
}

TEST(LowPrecision, A40_NoFlipWhereTheLossesAreEqual) {
  SelectionMonitor monitor({.every = 1, .flip_limit = 0});
  const std::vector<float> loss = {3, 1, 2, 5};
  const std::vector<std::uint8_t> chosen = {1, 0, 0, 1};
  monitor.compare(loss, loss, chosen, chosen);
  const auto report = monitor.report();
  EXPECT_EQ(report.flip_rate, 0);
  EXPECT_EQ(report.rank_correlation, 1);
  EXPECT_EQ(report.jaccard, 1);
  EXPECT_FALSE(monitor.exceeded());
}

TEST(SelectionMonitorTest, CountsFlipsAndTheUnionOfTheChosen) {
  SelectionMonitor monitor({.every = 2, .flip_limit = 0.2, .min_candidates = 8});
  EXPECT_TRUE(monitor.due());
  EXPECT_FALSE(monitor.due());
  EXPECT_TRUE(monitor.due());
  EXPECT_TRUE(std::isnan(monitor.report().flip_rate));
  const std::vector<float> exact = {1, 2, 3, 4}, cheap = {2, 1, 3, 4};
  monitor.compare(cheap, exact, std::vector<std::uint8_t>{1, 0, 0, 1},
                  std::vector<std::uint8_t>{0, 0, 0, 1});
  EXPECT_EQ(monitor.report().flip_rate, 0.25);
  EXPECT_EQ(monitor.report().jaccard, 0.5);
  EXPECT_NEAR(monitor.report().rank_correlation, 0.8, 1e-12);
  EXPECT_FALSE(monitor.exceeded());  // too few to tell
  monitor.compare(cheap, exact, std::vector<std::uint8_t>{1, 0, 0, 1},
                  std::vector<std::uint8_t>{0, 0, 0, 1});
  EXPECT_TRUE(monitor.exceeded());
  monitor.next_epoch();
  EXPECT_EQ(monitor.report().candidates, 0);
  SelectionMonitor copy({.every = 2, .flip_limit = 0.2, .min_candidates = 8});
  copy.restore(monitor.state());
  EXPECT_FALSE(copy.due());  // the fourth slice
  EXPECT_TRUE(copy.due());
}

TEST(SelectionMonitorTest, RankCorrelationSharesTheRanksOfTies) {
  EXPECT_NEAR(rank_correlation(std::vector<float>{1, 2, 2, 4}, std::vector<float>{1, 2, 2, 4}), 1,
              1e-12);
  EXPECT_NEAR(rank_correlation(std::vector<float>{1, 2, 3}, std::vector<float>{3, 2, 1}), -1,
              1e-12);
  EXPECT_TRUE(
      std::isnan(rank_correlation(std::vector<float>{1, 1, 1}, std::vector<float>{3, 2, 1})));
}

}  // namespace
}  // namespace graft::train
