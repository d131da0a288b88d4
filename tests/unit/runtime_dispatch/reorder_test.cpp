// SPDX-License-Identifier: Apache-2.0
#include "runtime/dispatch/reorder.h"

#include <cstdint>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace graft::dispatch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::int64_t> push(Reorder& reorder, std::int64_t frame, int engine = 0) {
  std::vector<std::int64_t> out;
  for (const Outcome& o : reorder.push({.frame = frame, .engine = engine})) out.push_back(o.frame);
  return out;
}

TEST(Reorder, InOrderWaitsForEarlierFrames) {
  Reorder reorder(OutputOrder::kInOrder);
  EXPECT_THAT(push(reorder, 2), IsEmpty());
  EXPECT_THAT(push(reorder, 1), IsEmpty());
  EXPECT_THAT(push(reorder, 0), ElementsAre(0, 1, 2));
  EXPECT_THAT(push(reorder, 3), ElementsAre(3));
  EXPECT_EQ(reorder.most_waiting(), 2U);
  EXPECT_EQ(reorder.late(), 0);
}

TEST(Reorder, DroppedFramesHoldNobodyUp) {
  Reorder reorder(OutputOrder::kInOrder);
  EXPECT_THAT(push(reorder, 1), IsEmpty());
  EXPECT_THAT(push(reorder, 0, -1), ElementsAre(0, 1));
}

TEST(Reorder, LowLatencyDropsWhatComesTooLate) {
  Reorder reorder(OutputOrder::kLowLatency);
  EXPECT_EQ(reorder.push({.frame = 1, .engine = 0})[0].engine, 0);
  const auto late = reorder.push({.frame = 0, .engine = 1});
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late[0].engine, -1) << "it still has an outcome: dropped";
  EXPECT_EQ(reorder.late(), 1);
  EXPECT_EQ(reorder.push({.frame = 5, .engine = -1})[0].frame, 5);
  EXPECT_EQ(reorder.push({.frame = 2, .engine = 0})[0].engine, 0)
      << "a frame dropped at admission is no newer result";
}

}  // namespace
}  // namespace graft::dispatch
