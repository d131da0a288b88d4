// SPDX-License-Identifier: Apache-2.0
// The acceptance tests of the specification's section 7.2 that concern the loop, on the real one.
#include "runtime/train/selective_step.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/device/memory.h"
#include "tests/support/fails_with.h"
#include "tests/unit/runtime_train/small_run.h"

namespace graft {
namespace {

using testing::bytes_of;
using testing::SmallRun;
using testing::SmallRunOptions;
using testing::state_of;

/// An example as drawn in one epoch.
using Drawn = std::pair<std::int64_t, std::uint32_t>;

const Json kSelectEverything = {{"beta", 0}, {"p_min", 0}, {"prime_epochs", 0}};
const Json kSelectHalf = {{"beta", 1}, {"prime_epochs", 0}};

/// What passed through a loop.
struct Trace {
  std::vector<Drawn> scored, selected, trained;
  std::map<Drawn, std::string> scored_bytes, trained_bytes;
  std::vector<std::size_t> update_sizes;
  std::vector<double> rates;
  std::vector<std::int64_t> candidates_at_update;
};

std::string row_bytes(const Tensor& t, std::size_t row) {
  return bytes_of(t.rows(static_cast<std::int64_t>(row), 1));
}

void observe(SmallRun& run, Trace& trace) {
  train::StepObserver observer;
  observer.on_select = [&trace](const train::Network::Rows& slice, std::span<const float>,
                                const Selection& selection) {
    for (std::size_t i = 0; i < slice.ids.size(); ++i) {
      const Drawn drawn{slice.ids[i], slice.epochs[i]};
      trace.scored.push_back(drawn);
      trace.scored_bytes[drawn] = row_bytes(slice.x, i) + row_bytes(slice.y, i);
    }
    for (const auto row : selection.rows) {
      const auto i = static_cast<std::size_t>(row);
      trace.selected.emplace_back(slice.ids[i], slice.epochs[i]);
    }
  };
  observer.on_update = [&trace](const train::Network::Rows& batch, std::span<const float>,
                                double lr, const Counters& counters) {
    for (std::size_t i = 0; i < batch.ids.size(); ++i) {
      const Drawn drawn{batch.ids[i], batch.epochs[i]};
      trace.trained.push_back(drawn);
      trace.trained_bytes[drawn] = row_bytes(batch.x, i) + row_bytes(batch.y, i);
    }
    trace.update_sizes.push_back(batch.ids.size());
    trace.rates.push_back(lr);
    trace.candidates_at_update.push_back(counters.candidates);
  };
  run.step().observe(std::move(observer));
}

std::vector<Drawn> sorted(std::vector<Drawn> list) {
  std::sort(list.begin(), list.end());
  return list;
}

struct NetworkCase {
  const char* model;
  int threads;
  std::int64_t examples;
};

TEST(SelectiveBackprop, A11_SelectingEverythingIsTraditionalBitForBit) {
  for (const NetworkCase& c :
       {NetworkCase{"small_cnn", 1, 128}, {"resnet8", 1, 128}, {"small_cnn", 2, 64}}) {
    SmallRun plain({.model = c.model, .examples = c.examples, .threads = c.threads});
    SmallRun all({.model = c.model,
                  .sampler = "sb",
                  .sampler_options = kSelectEverything,
                  .examples = c.examples,
                  .threads = c.threads});
    const std::string start = state_of(plain.network());
    for (int epoch = 0; epoch < 2; ++epoch) {
      plain.run_epoch(epoch);
      all.run_epoch(epoch);
    }
    EXPECT_EQ(plain.counters().updates, 2 * c.examples / 32);
    EXPECT_EQ(all.counters().updates, 2 * c.examples / 32);
    EXPECT_EQ(all.counters().forward_select, 2 * c.examples);
    EXPECT_FALSE(state_of(plain.network()) == start);
    EXPECT_TRUE(state_of(all.network()) == state_of(plain.network()))
        << c.model << " " << c.threads;
  }
}

TEST(SelectiveBackprop, A12_TrainsTheTensorThatItScored) {
  for (const char* preset : {"default", "paper"}) {
    SmallRun run({.sampler = "sb",
                  .sampler_options = {{"preset", preset}, {"beta", 1}, {"prime_epochs", 0}},
                  .select_batch = 48});
    Trace trace;
    observe(run, trace);
    for (int epoch = 0; epoch < 3; ++epoch) run.run_epoch(epoch);
    ASSERT_GT(trace.trained_bytes.size(), 300U) << preset;
    for (const auto& [drawn, bytes] : trace.trained_bytes) {
      const auto scored = trace.scored_bytes.find(drawn);
      ASSERT_NE(scored, trace.scored_bytes.end()) << drawn.first << " epoch " << drawn.second;
      EXPECT_TRUE(bytes == scored->second) << drawn.first << " epoch " << drawn.second;
    }
    // The epochs augment differently: the check above has something to find.
    const auto of_epoch = [&](std::uint32_t epoch) { return trace.scored_bytes.at({0, epoch}); };
    EXPECT_FALSE(of_epoch(0) == of_epoch(1) && of_epoch(1) == of_epoch(2));
  }
}

TEST(SelectiveBackprop, A13_UpdatesPerEpochOfTheLoop) {
  SmallRun plain({.examples = 300});
  Trace trace;
  observe(plain, trace);
  plain.run_epoch(0);
  std::vector<std::size_t> want(9, 32);
  want.push_back(300 - 9 * 32);
  EXPECT_EQ(trace.update_sizes, want);

  SmallRun sb({.sampler = "sb", .sampler_options = kSelectHalf, .select_batch = 48});
  for (int epoch = 0; epoch < 3; ++epoch) {
    Trace of_epoch;
    observe(sb, of_epoch);
    sb.run_epoch(epoch);
    const std::size_t selected = of_epoch.selected.size();
    std::vector<std::size_t> sizes(selected / 32, 32);
    if (selected % 32 > 0) sizes.push_back(selected % 32);
    EXPECT_EQ(of_epoch.update_sizes, sizes) << "epoch " << epoch;
    EXPECT_LT(selected, 250U);
  }
}

TEST(SelectiveBackprop, A14_EverySelectedExampleIsTrainedOnce) {
  for (const char* end : {"flush", "carry"}) {
    Json options = kSelectHalf;
    options["epoch_end"] = end;
    SmallRun run({.sampler = "sb", .sampler_options = options, .select_batch = 48});
    Trace trace;
    observe(run, trace);
    for (int epoch = 0; epoch < 3; ++epoch) run.run_epoch(epoch);
    std::vector<Drawn> accounted = trace.trained;
    const TrainQueue::State left = run.step().queue().state();
    for (std::size_t i = 0; i < left.ids.size(); ++i) {
      accounted.emplace_back(left.ids[i], left.epochs[i]);
    }
    EXPECT_EQ(sorted(accounted), sorted(trace.selected)) << end;
    EXPECT_EQ(left.ids.empty(), std::string(end) == "flush");
    EXPECT_EQ(run.counters().backprops, std::ssize(trace.trained));
  }
}

TEST(SelectiveBackprop, A17_RateChangesWithTheCandidates) {
  constexpr double kLr = 0.05, kGamma = 0.1;
  constexpr std::int64_t kExamples = 300, kThreshold = kExamples;  // "epoch 1"
  struct Case {
    const char* sampler;
    Json options;
  };
  for (const Case& c :
       {Case{"traditional", Json::object()}, Case{"sb", {{"beta", 1}, {"prime_epochs", 0}}},
        Case{"sb", {{"beta", 4}, {"prime_epochs", 0}}},
        Case{"random", {{"beta", 2}, {"prime_epochs", 0}}}}) {
    SmallRun run({.sampler = c.sampler,
                  .sampler_options = c.options,
                  .examples = kExamples,
                  .lr_policy = "step:gamma=0.1,at=1",
                  .lr = kLr});
    Trace trace;
    observe(run, trace);
    for (int epoch = 0; epoch < 2; ++epoch) run.run_epoch(epoch);
    std::size_t changed = 0;
    for (std::size_t i = 0; i < trace.rates.size(); ++i) {
      // A slice's candidates are counted before its updates, its rate is that of its start.
      const bool past = trace.candidates_at_update[i] > kThreshold;
      EXPECT_DOUBLE_EQ(trace.rates[i], past ? kLr * kGamma : kLr) << c.sampler << " update " << i;
      changed += past ? 1 : 0;
    }
    EXPECT_GT(changed, 0U);
    EXPECT_LT(changed, trace.rates.size());
  }
}

TEST(SelectiveBackprop, A18_LoopIsDeterministic) {
  const auto trained = [](const SmallRunOptions& options) {
    SmallRun run(options);
    Trace trace;
    observe(run, trace);
    for (int epoch = 0; epoch < 2; ++epoch) run.run_epoch(epoch);
    return std::pair(trace.trained, state_of(run.network()));
  };
  const SmallRunOptions base{.sampler = "sb", .sampler_options = kSelectHalf};
  const auto one = trained(base);
  EXPECT_TRUE(trained(base) == one) << "again";
  SmallRunOptions more_loaders = base;
  more_loaders.loader_threads = 2;
  EXPECT_TRUE(trained(more_loaders) == one) << "loader threads";
  SmallRunOptions other_seed = base;
  other_seed.seed = 2;
  EXPECT_NE(trained(other_seed).first, one.first);
}

TEST(SelectiveBackprop, A18_DrawsOfTheLoopDoNotDependOnTheSlices) {
  const auto selected = [](std::int64_t select_batch) {
    SmallRun run({.sampler = "random",
                  .sampler_options = {{"beta", 2}, {"prime_epochs", 0}},
                  .select_batch = select_batch});
    Trace trace;
    observe(run, trace);
    for (int epoch = 0; epoch < 2; ++epoch) run.run_epoch(epoch);
    return trace.selected;
  };
  const auto want = selected(32);
  EXPECT_GT(want.size(), 100U);
  EXPECT_EQ(selected(48), want);
  EXPECT_EQ(selected(20), want);
}

TEST(SelectiveBackprop, A19_CountersOfARunFollowTheCostFormula) {
  SmallRun run({.sampler = "sb", .sampler_options = {{"beta", 2}}, .select_batch = 48});
  Trace trace;
  observe(run, trace);
  for (int epoch = 0; epoch < 3; ++epoch) run.run_epoch(epoch);
  const Counters& c = run.counters();
  const auto trained = std::ssize(trace.trained);
  EXPECT_EQ(c.candidates, 900);
  EXPECT_EQ(c.forward_select, std::ssize(trace.scored));
  EXPECT_EQ(c.forward_select, 600);  // priming takes everything without scoring it
  EXPECT_EQ(c.forward_train, trained);
  EXPECT_EQ(c.backprops, trained);
  EXPECT_EQ(c.updates, std::ssize(trace.update_sizes));
  EXPECT_LT(trained, 900);
  EXPECT_GT(trained, 300);  // the priming epoch trains all
  // Section 4.6 with a = 1, b = 2: one unit a forward, two a backward, in whole units.
  EXPECT_EQ(cost_units(c), static_cast<double>(600 + trained + 2 * trained));
}

TEST(SelectiveBackprop, A20_SelectionForwardLeavesTheNetworkAlone) {
  SmallRun run({.model = "resnet8", .sampler = "sb", .sampler_options = kSelectHalf});
  train::Network& net = run.network();
  run.run_epoch(0);
  // Between an update and the next one only selection forwards run.
  std::string after_update = state_of(net);
  int compared = 0;
  train::StepObserver observer;
  observer.on_select = [&](const train::Network::Rows&, std::span<const float>, const Selection&) {
    EXPECT_TRUE(state_of(net) == after_update);
    ++compared;
  };
  observer.on_update = [&](const train::Network::Rows&, std::span<const float>, double,
                           const Counters&) {
    const std::string now = state_of(net);
    EXPECT_FALSE(now == after_update);
    after_update = now;
  };
  run.step().observe(std::move(observer));
  run.run_epoch(1);
  EXPECT_EQ(compared, 10);
}

TEST(SelectiveBackprop, A20_EveryTrainingForwardMovesTheStatistics) {
  SmallRun run({.model = "resnet8"});
  std::vector<std::string> seen = {bytes_of(run.network().params().buffers())};
  train::StepObserver observer;
  observer.on_update = [&](const train::Network::Rows&, std::span<const float>, double,
                           const Counters&) {
    seen.push_back(bytes_of(run.network().params().buffers()));
  };
  run.step().observe(std::move(observer));
  run.run_epoch(0);
  ASSERT_EQ(seen.size(), 11U);
  for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_FALSE(seen[i] == seen[i - 1]) << i;
}

TEST(SelectiveStep, WarmStepAllocatesNothing) {
  struct Case {
    const char* sampler;
    CacheMode cache;
  };
  for (const Case& c : {Case{"traditional", CacheMode::kRecompute},
                        {"sb", CacheMode::kRecompute},
                        {"sb", CacheMode::kReuse},
                        {"sb", CacheMode::kMasked}}) {
    const char* sampler = c.sampler;
    StatsResource stats(host_memory());
    const Json options = std::string(sampler) == "sb" ? kSelectHalf : Json::object();
    SmallRun run({.model = "resnet8",
                  .norm = Norm::kGroup,
                  .cache = c.cache,
                  .sampler = sampler,
                  .sampler_options = options},
                 stats);
    run.run_epoch(0);
    run.run_epoch(1);
    const std::int64_t before = stats.allocations();
    EXPECT_GT(before, 0);
    run.run_epoch(2);
    EXPECT_EQ(stats.allocations(), before) << sampler;
  }
}

TEST(SelectiveStep, SliceBeyondThePlanIsRefused) {
  SmallRun run({.select_batch = 16});
  const std::vector<std::int64_t> ids(17, 0);
  const std::vector<std::uint32_t> epochs(17, 0);
  const Tensor x = Tensor::zeros(host_memory(), {17, 32, 32, 3});
  const Tensor y = Tensor::zeros(host_memory(), {17}, DType::kI32);
  EXPECT_TRUE(testing::fails_with(Errc::kInvalidArgument, {"slice of 17", "planned for 16"}, [&] {
    run.step().run({x, y, ids, epochs}, false, 0);
  }));
  EXPECT_EQ(run.counters(), Counters{});
}

}  // namespace
}  // namespace graft
