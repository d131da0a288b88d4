// SPDX-License-Identifier: Apache-2.0
#include "runtime/dispatch/frame_queue.h"

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fails_with.h"

namespace graft::dispatch {
namespace {

using graft::testing::fails_with;
using ::testing::ElementsAre;

/// The frames that a queue drops of 0, 1, ... n - 1, one a tick.
std::vector<std::int64_t> dropped_of(FrameQueue& queue, std::int64_t n) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < n; ++i) {
    if (const auto dropped = queue.push({.index = i, .arrived = i})) out.push_back(dropped->index);
  }
  return out;
}

std::vector<std::int64_t> rest_of(FrameQueue& queue, Ticks now) {
  std::vector<std::int64_t> out;
  std::vector<Frame> expired;
  while (const auto frame = queue.pop(now, expired)) out.push_back(frame->index);
  return out;
}

TEST(FrameQueue, OldestKeepsTheLatest) {
  FrameQueue queue({.capacity = 2, .drop = Drop::kOldest});
  EXPECT_THAT(dropped_of(queue, 5), ElementsAre(0, 1, 2));
  EXPECT_THAT(rest_of(queue, 9), ElementsAre(3, 4));
}

TEST(FrameQueue, NewestKeepsTheFirst) {
  FrameQueue queue({.capacity = 2, .drop = Drop::kNewest});
  EXPECT_THAT(dropped_of(queue, 5), ElementsAre(2, 3, 4));
  EXPECT_THAT(rest_of(queue, 9), ElementsAre(0, 1));
}

TEST(FrameQueue, NoRoomDropsWhatComes) {
  for (const Drop drop : {Drop::kNewest, Drop::kOldest, Drop::kRandom}) {
    FrameQueue queue({.capacity = 0, .drop = drop});
    EXPECT_THAT(dropped_of(queue, 3), ElementsAre(0, 1, 2));
    EXPECT_EQ(queue.size(), 0U);
  }
}

TEST(FrameQueue, NoLimitDropsNothing) {
  FrameQueue queue({.capacity = std::nullopt});
  EXPECT_TRUE(dropped_of(queue, 1000).empty());
  EXPECT_EQ(queue.size(), 1000U);
}

TEST(FrameQueue, RandomGivesEveryFrameTheSameChance) {
  constexpr int kRounds = 3000;
  std::vector<int> kept(3);
  for (int seed = 0; seed < kRounds; ++seed) {
    FrameQueue queue(
        {.capacity = 2, .drop = Drop::kRandom, .seed = static_cast<std::uint64_t>(seed)});
    dropped_of(queue, 3);
    for (const auto index : rest_of(queue, 9)) ++kept[static_cast<std::size_t>(index)];
  }
  for (const int n : kept) EXPECT_NEAR(n, kRounds * 2 / 3, 100);  // 4 standard deviations
}

TEST(FrameQueue, RandomIsRepeatable) {
  const auto run = [] {
    FrameQueue queue({.capacity = 4, .drop = Drop::kRandom, .seed = 7});
    return dropped_of(queue, 100);
  };
  EXPECT_EQ(run(), run());
}

TEST(FrameQueue, DeadlineDropsWhatWaitedTooLong) {
  FrameQueue queue({.capacity = 3, .drop = Drop::kDeadline, .deadline = 10});
  EXPECT_THAT(dropped_of(queue, 4), ElementsAre(0)) << "full: as kOldest";
  std::vector<Frame> expired;
  const auto next = queue.pop(12, expired);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->index, 2) << "it came at 2: exactly the deadline is in time";
  ASSERT_EQ(expired.size(), 1U);
  EXPECT_EQ(expired[0].index, 1);
  EXPECT_FALSE(queue.pop(100, expired));
  EXPECT_EQ(expired.size(), 2U);
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"deadline"},
                         [] { FrameQueue({.drop = Drop::kDeadline}); }));
}

}  // namespace
}  // namespace graft::dispatch
