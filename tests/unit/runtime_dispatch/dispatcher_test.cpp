// SPDX-License-Identifier: Apache-2.0
#include "runtime/dispatch/dispatcher.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/dispatch/clock.h"
#include "tests/support/fails_with.h"

namespace graft::dispatch {
namespace {

using graft::testing::fails_with;
using ::testing::ElementsAre;

/// Engines of a dispatcher: which frames went where, in virtual time. Service times may change.
class Bench {
 public:
  Bench(const DispatchOptions& options, std::vector<Ticks> service)
      : service_(service), dispatcher_(options, service), assigned_(service.size()) {}

  /// Frames that come every `period` ticks, `n` of them; `each` is called before each.
  void feed(int n, Ticks period, const std::function<void(Ticks)>& each = {}) {
    for (int i = 0; i < n; ++i) {
      clock_.at(i * period, 1 << 20, [this, i, each] {
        if (each) each(clock_.now());
        act(dispatcher_.arrive({.index = i, .arrived = clock_.now()}, clock_.now()));
      });
    }
    clock_.run();
  }
  void slow_down(std::size_t engine, Ticks service) { service_[engine] = service; }
  [[nodiscard]] const Dispatcher& dispatcher() const { return dispatcher_; }
  /// Frames that engine `i` started, with the tick.
  [[nodiscard]] const std::vector<std::pair<std::int64_t, Ticks>>& started(std::size_t i) const {
    return assigned_[i];
  }
  [[nodiscard]] std::int64_t dropped() const { return dropped_; }
  /// Share of the frames of engine 0 among those that started at `from` or later.
  [[nodiscard]] double share_of_first(Ticks from) const {
    std::vector<double> n;
    for (const auto& list : assigned_) {
      n.push_back(static_cast<double>(std::count_if(
          list.begin(), list.end(), [&](const auto& s) { return s.second >= from; })));
    }
    return n[0] / (n[0] + n[1]);
  }

 private:
  void act(const Decision& d) {
    dropped_ += static_cast<std::int64_t>(d.dropped.size());
    if (d.engine < 0) return;
    const auto engine = static_cast<std::size_t>(d.engine);
    assigned_[engine].emplace_back(d.frame.index, clock_.now());
    clock_.at(clock_.now() + service_[engine], d.engine,
              [this, e = d.engine] { act(dispatcher_.complete(e, clock_.now())); });
  }

  VirtualClock clock_;
  std::vector<Ticks> service_;
  Dispatcher dispatcher_;
  std::vector<std::vector<std::pair<std::int64_t, Ticks>>> assigned_;
  std::int64_t dropped_ = 0;
};

std::vector<std::int64_t> frames(const Bench& bench, std::size_t engine) {
  std::vector<std::int64_t> out;
  for (const auto& [frame, tick] : bench.started(engine)) out.push_back(frame);
  return out;
}

TEST(Dispatcher, FcfsTakesTheFastestThatIsFree) {
  Bench bench({.rule = Rule::kFcfs}, {30, 10, 10});
  bench.feed(4, 1);
  EXPECT_THAT(frames(bench, 1), ElementsAre(0, 3))
      << "the faster two first, the lower index of them";
  EXPECT_THAT(frames(bench, 2), ElementsAre(1));
  EXPECT_THAT(frames(bench, 0), ElementsAre(2));
}

TEST(Dispatcher, RoundRobinIsByIndexWhateverIsFree) {
  Bench bench({.rule = Rule::kRoundRobin, .queue = {.capacity = std::nullopt}}, {100, 1});
  bench.feed(6, 2);
  EXPECT_THAT(frames(bench, 0), ElementsAre(0, 2, 4));
  EXPECT_THAT(frames(bench, 1), ElementsAre(1, 3, 5));
}

TEST(Dispatcher, WeightedIsSmooth) {
  Bench bench({.rule = Rule::kWeighted, .queue = {.capacity = std::nullopt}, .weights = {5, 1, 1}},
              {1, 1, 1});
  bench.feed(7, 10);
  EXPECT_THAT(frames(bench, 0), ElementsAre(0, 1, 3, 5, 6));
  EXPECT_THAT(frames(bench, 1), ElementsAre(2));
  EXPECT_THAT(frames(bench, 2), ElementsAre(4));
}

TEST(Dispatcher, WeightedFollowsExpectedServiceWithoutWeights) {
  Bench bench({.rule = Rule::kWeighted, .queue = {.capacity = std::nullopt}}, {10, 30});
  bench.feed(400, 10);
  EXPECT_EQ(bench.started(0).size(), 300U);
  EXPECT_EQ(bench.started(1).size(), 100U);
}

TEST(Dispatcher, EarliestFinishLooksAtQueues) {
  Bench bench({.rule = Rule::kEarliestFinish, .queue = {.capacity = std::nullopt}}, {10, 25});
  bench.feed(4, 1);  // 10, 10 + 10 behind it against 25 ...
  EXPECT_THAT(frames(bench, 0), ElementsAre(0, 1, 3));
  EXPECT_THAT(frames(bench, 1), ElementsAre(2));
}

TEST(Dispatcher, EarliestFinishDropsNothingWhileSomebodyHasRoom) {
  Bench bench({.rule = Rule::kEarliestFinish, .queue = {.capacity = 0}}, {10, 1000});
  bench.feed(2, 1);
  EXPECT_EQ(bench.dropped(), 0);
}

class DispatcherSlowDown : public ::testing::TestWithParam<Rule> {};

/// An engine becomes three times slower while frames come faster than both can take: ten of its
/// service times later it gets what it can do.
TEST_P(DispatcherSlowDown, ConvergesWithinTenServiceTimes) {
  constexpr Ticks kBefore = 100, kAfter = 300, kAt = 10'000, kConverged = kAt + 10 * kAfter;
  Bench bench({.rule = GetParam(), .queue = {.capacity = 1}}, {kBefore, kBefore});
  double estimate = 0;
  bench.feed(600, 60, [&](Ticks now) {
    if (now >= kAt) bench.slow_down(0, kAfter);
    if (now >= kConverged && estimate == 0) estimate = bench.dispatcher().estimate(0, kConverged);
  });
  EXPECT_NEAR(estimate, kAfter, 0.1 * kAfter);
  // In proportion to the rates: 1/300 of 1/300 + 1/100.
  EXPECT_NEAR(bench.share_of_first(kConverged), 0.25, 0.03);
}

INSTANTIATE_TEST_SUITE_P(Rules, DispatcherSlowDown,
                         ::testing::Values(Rule::kProportional, Rule::kEarliestFinish),
                         [](const auto& rule) { return std::string(name(rule.param)); });

TEST(Dispatcher, EstimateCountsTheFrameInService) {
  Dispatcher dispatcher({.rule = Rule::kRoundRobin}, {100});
  EXPECT_EQ(dispatcher.estimate(0, 0), 100);
  static_cast<void>(dispatcher.arrive({.index = 0}, 0));
  EXPECT_EQ(dispatcher.estimate(0, 50), 100);
  EXPECT_EQ(dispatcher.estimate(0, 700), 700) << "an engine that hangs is known to be slow";
  static_cast<void>(dispatcher.complete(0, 200));
  EXPECT_EQ(dispatcher.estimate(0, 200), 120);
}

TEST(Dispatcher, RefusesWhatMakesNoSense) {
  const auto made = [](DispatchOptions options, std::vector<Ticks> service) {
    return [options, service] { const Dispatcher dispatcher(options, service); };
  };
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"no engine"}, made({}, {})));
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"service time 0"}, made({}, {0})));
  EXPECT_TRUE(
      fails_with(Errc::kInvalidArgument, {"2 weights for 1"}, made({.weights = {1, 2}}, {5})));
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"weight 0"}, made({.weights = {0}}, {5})));
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"ewma"}, made({.ewma = 0}, {5})));
  Dispatcher dispatcher({}, {5});
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"no frame in service"},
                         [&] { static_cast<void>(dispatcher.complete(0, 3)); }));
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"engine 4"},
                         [&] { static_cast<void>(dispatcher.complete(4, 3)); }));
}

TEST(Dispatcher, RulesHaveNames) {
  for (const Rule rule : {Rule::kFcfs, Rule::kRoundRobin, Rule::kWeighted, Rule::kProportional,
                          Rule::kEarliestFinish}) {
    EXPECT_EQ(parse_rule(name(rule)), rule);
  }
  EXPECT_FALSE(parse_rule("lifo"));
}

}  // namespace
}  // namespace graft::dispatch
