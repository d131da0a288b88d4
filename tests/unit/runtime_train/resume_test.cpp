// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "engine/io/records.h"
#include "runtime/train/trainer.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_train/small_run.h"

namespace graft::train {
namespace {

namespace fs = std::filesystem;
using testing::fails_with;
using testing::small_options;
using testing::TempFolder;
using End = RunResult::End;

struct Case {
  const char* name;
  const char* sampler;
  const char* preset = "default";
  const char* optimizer = "sgd";
  std::map<std::string, std::string> options = {};
  int updates = 4;  ///< from one interruption to the next
  const char* cache = "recompute";
  const char* select_dtype = "f32";
  int pipeline = -1;
  std::int64_t pipeline_sync = 1;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

TrainOptions options_of(const Case& c, const fs::path& out) {
  TrainOptions o = small_options(out.string());
  o.sampler = c.sampler;
  o.sampler_preset = c.preset;
  o.optimizer = c.optimizer;
  o.sampler_options = c.options;
  if (o.optimizer == "adam") o.lr = 0.002;
  o.cache = c.cache;
  o.select_dtype = c.select_dtype;
  o.pipeline = c.pipeline;
  o.pipeline_sync = c.pipeline_sync;
  if (o.select_dtype == "int8") o.flip_limit = 1;
  if (o.cache != "recompute") o.norm = "group";
  return o;
}

/// metrics.jsonl without its time fields.
std::vector<Json> records(const fs::path& run) {
  auto list = read_records(run / "metrics.jsonl");
  for (Json& record : list) record.erase("seconds");
  return list;
}

fs::path last_checkpoint(const fs::path& run) {
  return CheckpointManager(run / "ckpt").list().at(0);
}

/// Everything of the last checkpoint but the time fields.
std::string checkpoint_bytes(const fs::path& run) {
  const fs::path last = last_checkpoint(run);
  Json state = parse_json(read_file(last / "state.json"), "state.json");
  state.erase("seconds");
  state.erase("metrics_position");  // the times before it vary in length
  return last.filename().string() + read_file(last / "model.safetensors") +
         read_file(last / "optimizer.safetensors") + read_file(last / "arrays.safetensors") +
         state.dump();
}

/// A trainer with the context that it needs.
struct Session {
  std::unique_ptr<Context> ctx;
  std::unique_ptr<Trainer> trainer;
  explicit Session(const TrainOptions& o)
      : ctx(make_context(o.device, o.threads)),
        trainer(std::make_unique<Trainer>(*ctx, o, o.out)) {}
};

/// Asks the process to stop after `updates` more updates.
void stop_after(Trainer& trainer, int updates) {
  auto left = std::make_shared<int>(updates);
  StepObserver observer;
  observer.on_update = [left](const Network::Rows&, std::span<const float>, double,
                              const Counters&) {
    if (--*left == 0) std::raise(SIGTERM);
  };
  trainer.step().observe(std::move(observer));
}

void expect_same_run(const fs::path& run, const fs::path& whole) {
  EXPECT_TRUE(checkpoint_bytes(run) == checkpoint_bytes(whole));
  const auto got = records(run), want = records(whole);
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i)
    EXPECT_EQ(Json::diff(want[i], got[i]), Json::array());
}

/// Trains `o` at once and again in pieces of `updates` updates, which end by a signal, and
/// compares. Returns the largest number of selected examples that waited at such an end.
std::int64_t check_interrupted_run(TrainOptions o, int updates) {
  const TempFolder folder;
  const fs::path whole = folder / "whole", broken = folder / "broken";
  o.out = whole.string();
  EXPECT_EQ(Session(o).trainer->run().end, End::kFinished);
  o.out = broken.string();
  int interrupted = 0;
  std::int64_t carried = 0;
  for (End end = End::kInterrupted; end == End::kInterrupted && interrupted < 20; o.resume = true) {
    Session session(o);
    stop_after(*session.trainer, updates);
    end = session.trainer->run().end;
    interrupted += end == End::kInterrupted ? 1 : 0;
    carried = std::max(carried, session.trainer->step().queue().size());
  }
  EXPECT_GE(interrupted, 3);
  expect_same_run(broken, whole);
  return carried;
}

class Resume : public ::testing::TestWithParam<Case> {};
class ResumeOfAKilledRun : public Resume {};

TEST_P(Resume, IsBitwise) {
  const std::int64_t carried =
      check_interrupted_run(options_of(GetParam(), {}), GetParam().updates);
  if (std::string(GetParam().sampler) == "sb" && std::string(GetParam().cache) == "recompute") {
    EXPECT_GT(carried, 0);
  }
}

TEST(ResumeWithPendingGradient, IsBitwise) {
  for (const char* epoch_end : {"flush", "carry"}) {
    const TempFolder folder;
    TrainOptions o =
        options_of({.name = "reuse", .sampler = "sb", .optimizer = "adam", .cache = "reuse"},
                   folder / "whole");
    o.sampler_options["epoch_end"] = epoch_end;
    o.sampler_options["prime_epochs"] = "0";
    EXPECT_EQ(Session(o).trainer->run().end, End::kFinished);
    o.out = (folder / "broken").string();
    std::int64_t pending = 0;
    int interrupted = 0;
    for (End end = End::kInterrupted; end == End::kInterrupted && interrupted < 20;
         o.resume = true) {
      Session session(o);
      auto left = std::make_shared<int>(3);  // slices
      StepObserver observer;
      observer.on_select = [left](const Network::Rows&, std::span<const float>, const Selection&) {
        if (--*left == 0) std::raise(SIGTERM);
      };
      session.trainer->step().observe(std::move(observer));
      end = session.trainer->run().end;
      interrupted += end == End::kInterrupted ? 1 : 0;
      pending = std::max(pending, session.trainer->step().pending().examples);
    }
    EXPECT_GE(interrupted, 3);
    EXPECT_GT(pending, 0);
    expect_same_run(folder / "broken", folder / "whole");
  }
}

TEST(ResumeOnTwoThreads, IsBitwise) {
  TrainOptions o = small_options({});
  o.data = "synthetic:train=64,test=10";
  o.sampler = "sb";
  o.threads = 2;
  (void)check_interrupted_run(o, 1);
}

TEST(ResumeWithProbes, IsBitwise) {
  TrainOptions o = small_options({});
  o.data = "synthetic:train=96,test=20";
  o.sampler = "sb";
  o.probes = "all";
  (void)check_interrupted_run(o, 1);
}

TEST_P(ResumeOfAKilledRun, IsBitwise) {
  const TempFolder folder;
  const fs::path whole = folder / "whole";
  TrainOptions o = options_of(GetParam(), whole);
  o.checkpoint_every = 3;
  {
    Session session(o);
    // A copy of the folder is what kill -9 would leave: in the middle of an epoch, updates past
    // a checkpoint, and later with an epoch's records written but not its checkpoint.
    int updates = 0;
    StepObserver observer;
    observer.on_update = [&](const Network::Rows&, std::span<const float>, double,
                             const Counters&) {
      if (++updates == 8) fs::copy(whole, folder / "killed", fs::copy_options::recursive);
    };
    session.trainer->step().observe(std::move(observer));
    session.trainer->on_epoch([&](const Json& record) {
      if (record.at("epoch") == 2) {
        fs::copy(whole, folder / "killed-later", fs::copy_options::recursive);
      }
    });
    ASSERT_EQ(session.trainer->run().end, End::kFinished);
  }
  for (const char* copy : {"killed", "killed-later"}) {
    TrainOptions again = options_of(GetParam(), folder / copy);
    again.resume = true;
    Session session(again);
    EXPECT_LT(session.trainer->step().counters().candidates, 600);
    ASSERT_EQ(session.trainer->run().end, End::kFinished);
    expect_same_run(folder / copy, whole);
  }
}

const std::map<std::string, std::string> kBeta = {{"beta", "1.5"}};
const std::map<std::string, std::string> kAlwaysDraws = {{"tau_threshold", "1"},
                                                         {"presample", "1.5"}};
const auto kName = [](const auto& test) { return std::string(test.param.name); };

const Case kBasic[] = {{"traditional", "traditional", "default", "sgd"},
                       {"sb", "sb", "default", "sgd", kBeta},
                       {"sb_paper", "sb", "paper", "sgd", kBeta},
                       {"random", "random", "default", "sgd", kBeta},
                       {"adam", "sb", "default", "adam", kBeta}};

const Case kOthers[] = {
    {"stale", "stale", "default", "sgd", kBeta},
    {"stale_paper", "stale", "paper", "sgd", kBeta, 3},
    {"kath18", "kath18", "default", "sgd", kAlwaysDraws},
    {"kath18_paper", "kath18", "paper", "sgd", kAlwaysDraws},
    {"infobatch", "infobatch", "default", "sgd"},
    {"kakurenbo", "kakurenbo", "default", "sgd", {{"confidence", "0.1"}}},
    {"rho", "rho", "default", "sgd", {{"keep", "0.9"}, {"il_epochs", "1"}}},
    {"batchsb", "batchsb", "default", "sgd", {{"start", "0"}, {"end", "1"}}},
    {"predicted", "predicted", "default", "sgd", kBeta},
    {"gp", "predicted", "default", "sgd", {{"beta", "1.5"}, {"predictor", "gp"}}},
    {"topk", "topk", "default", "sgd", {{"keep", "0.6"}}},
    {"lowk", "lowk", "default", "sgd", {{"keep", "0.6"}}}};

const Case kSelection[] = {
    {.name = "reuse", .sampler = "sb", .cache = "reuse"},
    {.name = "int8", .sampler = "sb", .select_dtype = "int8"},
    {.name = "pipeline", .sampler = "stale", .pipeline = 2, .pipeline_sync = 3},
    {.name = "int8_pipeline", .sampler = "sb", .select_dtype = "int8", .pipeline = 1}};

INSTANTIATE_TEST_SUITE_P(Basic, Resume, ::testing::ValuesIn(kBasic), kName);
INSTANTIATE_TEST_SUITE_P(Others, Resume, ::testing::ValuesIn(kOthers), kName);
INSTANTIATE_TEST_SUITE_P(Selection, Resume, ::testing::ValuesIn(kSelection), kName);
INSTANTIATE_TEST_SUITE_P(Basic, ResumeOfAKilledRun, ::testing::ValuesIn(kBasic), kName);

TEST(ResumeRefuses, AnotherModelByNameWithBothValues) {
  const TempFolder folder;
  TrainOptions o = small_options((folder / "run").string());
  o.epochs = 1;
  o.lr_policy = "fixed";
  { (void)Session(o).trainer->run(); }
  o.resume = true;
  o.model = "resnet8";
  EXPECT_TRUE(fails_with(Errc::kConfig, {"model", "\"small_cnn\"", "\"resnet8\""},
                         [&] { Session session(o); }));
}

TEST(ResumeRefuses, OtherDataByName) {
  const TempFolder folder;
  TrainOptions o = small_options((folder / "run").string());
  o.epochs = 1;
  o.lr_policy = "fixed";
  { (void)Session(o).trainer->run(); }
  o.resume = true;
  o.data = "synthetic:train=301,test=40";
  EXPECT_TRUE(fails_with(Errc::kConfig, {"train_data"}, [&] { Session session(o); }));
}

TEST(ResumeRefuses, ARunThatIsThereWithoutResume) {
  const TempFolder folder;
  TrainOptions o = small_options((folder / "run").string());
  o.epochs = 1;
  o.lr_policy = "fixed";
  { (void)Session(o).trainer->run(); }
  EXPECT_TRUE(
      fails_with(Errc::kConfig, {"holds a run already", "--resume"}, [&] { Session session(o); }));
}

TEST(ResumeOfAFinishedRun, TrainsNothing) {
  const TempFolder folder;
  const fs::path run = folder / "run";
  TrainOptions o = small_options(run.string());
  o.epochs = 1;
  o.lr_policy = "fixed";
  RunResult first;
  { first = Session(o).trainer->run(); }
  const std::string model = read_file(last_checkpoint(run) / "MANIFEST.json");
  const std::string metrics = read_file(run / "metrics.jsonl");
  o.resume = true;
  Session session(o);
  const RunResult again = session.trainer->run();
  EXPECT_EQ(again.end, End::kNothingLeft);
  EXPECT_EQ(again.counters, first.counters);
  EXPECT_EQ(again.test_error, first.test_error);
  EXPECT_EQ(read_file(last_checkpoint(run) / "MANIFEST.json"), model);
  EXPECT_EQ(read_file(run / "metrics.jsonl"), metrics);
}

TEST(ResumeOfAFinishedRun, StoppedAtItsTargetStaysStopped) {
  const TempFolder folder;
  TrainOptions o = small_options((folder / "run").string());
  o.stop_at_error = 100;  // any error will do
  { EXPECT_EQ(Session(o).trainer->run().end, End::kTargetReached); }
  o.resume = true;
  EXPECT_EQ(Session(o).trainer->run().end, End::kNothingLeft);
}

TEST(ResumeOfAFinishedRun, GoesOnWithALargerBudget) {
  const TempFolder folder;
  TrainOptions o = small_options((folder / "run").string());
  constexpr double kUnitsAnEpoch = 3 * 300;
  o.stop_at_cost = 1.5 * kUnitsAnEpoch;
  const RunResult first = Session(o).trainer->run();
  EXPECT_GE(cost_units(first.counters), o.stop_at_cost);
  EXPECT_LT(cost_units(first.counters), 2 * kUnitsAnEpoch);
  o.resume = true;
  EXPECT_EQ(Session(o).trainer->run().end, End::kNothingLeft);
  o.stop_at_cost = 2 * kUnitsAnEpoch;
  EXPECT_GE(cost_units(Session(o).trainer->run().counters), o.stop_at_cost);
}

TEST(Trainer, DivergenceLeavesNoCheckpointWithoutNumbers) {
  const TempFolder folder;
  TrainOptions o = small_options((folder / "run").string());
  o.lr = 1e30;
  o.lr_policy = "fixed";
  o.checkpoint_every = 1;
  {
    Session session(o);
    EXPECT_TRUE(fails_with(Errc::kNumerical, {"--lr"}, [&] { (void)session.trainer->run(); }));
  }
  const auto left = CheckpointManager(folder / "run/ckpt").list();
  if (left.empty()) return;
  Context ctx(Backend::kCpu);
  const auto net = testing::small_network(ctx, "small_cnn", 1);
  ASSERT_TRUE(CheckpointManager(folder / "run/ckpt").load_latest(*net).has_value());
  for (const auto& e : net->params().entries()) {
    for (std::int64_t i = 0; i < e.value.numel(); ++i) {
      ASSERT_TRUE(std::isfinite(e.value.ptr<float>()[i])) << e.name;
    }
  }
}

}  // namespace
}  // namespace graft::train
