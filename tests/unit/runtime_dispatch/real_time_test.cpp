// SPDX-License-Identifier: Apache-2.0
// Engines that are threads, on the real clock. Times are short; bench/macro/dispatch.cpp has the
// full ones.
#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/dispatch/parallel_detector.h"
#include "tests/support/fails_with.h"

namespace graft::dispatch {
namespace {

using std::chrono::nanoseconds;

constexpr Ticks kMs = 1'000'000;

std::unique_ptr<Engine> sleeper(const Clock& clock, Ticks service) {
  return make_cpu_engine(clock, {.name = "sleeper", .expected_service = service},
                         [service](Context&, const Frame&) {
                           std::this_thread::sleep_for(nanoseconds(service));
                           return Tensor();
                         });
}

/// Offers `n` frames, one every `period`; what became of them, in the order it was told.
std::vector<Outcome> run(std::vector<Ticks> services, const DispatchOptions& options,
                         OutputOrder order, int n, Ticks period) {
  const SteadyClock clock;
  std::vector<std::unique_ptr<Engine>> engines;
  for (const Ticks s : services) engines.push_back(sleeper(clock, s));
  std::vector<Outcome> outcomes;
  ParallelDetector detector(clock, std::move(engines), options, order,
                            [&](Outcome o) { outcomes.push_back(std::move(o)); });
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < n; ++i) {
    std::this_thread::sleep_until(begin + nanoseconds(i * period));
    detector.offer();
  }
  detector.drain();
  return outcomes;
}

class DispatchRealTime : public ::testing::TestWithParam<Rule> {};

/// Engines of 12 and 30 ms: 83.3 + 33.3 frames a second; the frames come faster.
TEST_P(DispatchRealTime, RateIsThatOfTheEnginesAndOrderIsKept) {
  constexpr int kFrames = 120;
  const auto outcomes = run({12 * kMs, 30 * kMs}, {.rule = GetParam(), .queue = {.capacity = 2}},
                            OutputOrder::kInOrder, kFrames, 7 * kMs);
  ASSERT_EQ(outcomes.size(), static_cast<std::size_t>(kFrames));
  std::int64_t processed = 0;
  Ticks last = 0;
  for (int i = 0; i < kFrames; ++i) {
    const Outcome& o = outcomes[static_cast<std::size_t>(i)];
    EXPECT_EQ(o.frame, i);
    if (o.engine < 0) continue;
    ++processed;
    last = std::max(last, o.finished);
    EXPECT_LE(o.arrived, o.ready);
    EXPECT_LE(o.ready, o.started);
    EXPECT_LT(o.started, o.finished);
  }
  const double sigma = static_cast<double>(processed) /
                       (static_cast<double>(last - outcomes.front().arrived) * 1e-9);
  // Machines that run tests are busy: never faster than the engines, and not much slower.
  EXPECT_LT(sigma, 1.03 * (1000.0 / 12 + 1000.0 / 30));
  EXPECT_GT(sigma, 0.5 * (1000.0 / 12 + 1000.0 / 30));
}

INSTANTIATE_TEST_SUITE_P(Rules, DispatchRealTime,
                         ::testing::Values(Rule::kFcfs, Rule::kWeighted, Rule::kProportional,
                                           Rule::kEarliestFinish),
                         [](const auto& rule) { return std::string(name(rule.param)); });

TEST(DispatchEngine, LowLatencyNeverGoesBack) {
  const auto outcomes =
      run({1 * kMs, 20 * kMs}, {.rule = Rule::kRoundRobin}, OutputOrder::kLowLatency, 40, 2 * kMs);
  EXPECT_EQ(outcomes.size(), 40U);
  std::int64_t newest = -1;
  for (const Outcome& o : outcomes) {
    if (o.engine < 0) continue;
    EXPECT_GT(o.frame, newest);
    newest = o.frame;
  }
}

TEST(DispatchEngine, OutputsAndErrorsComeBackWithTheirFrame) {
  const SteadyClock clock;
  std::vector<std::unique_ptr<Engine>> engines;
  for (int i = 0; i < 2; ++i) {
    engines.push_back(
        make_cpu_engine(clock, {.expected_service = kMs}, [](Context& context, const Frame& frame) {
          if (frame.index == 3) throw std::runtime_error("bad frame");
          Tensor out = frame.image.clone(context.memory());
          out.view<float>().data[0] *= 2;
          return out;
        }));
  }
  std::vector<Outcome> outcomes;
  ParallelDetector detector(clock, std::move(engines), {.queue = {.capacity = std::nullopt}},
                            OutputOrder::kInOrder,
                            [&](Outcome o) { outcomes.push_back(std::move(o)); });
  for (int i = 0; i < 20; ++i) {
    Tensor image = Tensor::zeros(host_memory(), Shape{1});
    image.view<float>().data[0] = static_cast<float>(i);
    EXPECT_EQ(detector.offer(std::move(image)), i);
  }
  detector.drain();
  ASSERT_EQ(outcomes.size(), 20U);
  for (const Outcome& o : outcomes) {
    if (o.frame == 3) {
      EXPECT_EQ(o.error, "bad frame");
    } else {
      EXPECT_EQ(o.output.view<float>().data[0], static_cast<float>(2 * o.frame));
    }
  }
}

TEST(DispatchEngine, EndsWithFramesInService) {
  const SteadyClock clock;
  int told = 0;
  {
    std::vector<std::unique_ptr<Engine>> engines;
    engines.push_back(sleeper(clock, 5 * kMs));
    ParallelDetector detector(clock, std::move(engines), {.queue = {.capacity = 4}},
                              OutputOrder::kInOrder, [&](const Outcome&) { ++told; });
    for (int i = 0; i < 3; ++i) detector.offer();
  }
  EXPECT_EQ(told, 1) << "the frame in service; the two that waited have none";
}

TEST(DispatchEngine, ProcessorsThatAreNotThere) {
  const SteadyClock clock;
  const auto on = [&](int core) {
    return [&clock, core] {
      static_cast<void>(make_cpu_engine(clock, {.name = "pinned", .cores = {core}},
                                        [](Context&, const Frame&) { return Tensor(); }));
    };
  };
  EXPECT_TRUE(graft::testing::fails_with(Errc::kUnavailable, {"pinned"}, on(1000)));
  EXPECT_TRUE(graft::testing::fails_with(Errc::kUnavailable, {"no processor -1"}, on(-1)));
}

}  // namespace
}  // namespace graft::dispatch
