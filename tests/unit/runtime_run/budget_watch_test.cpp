// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/budget_watch.h"

#include <gtest/gtest.h>

namespace graft::run {
namespace {

using std::chrono::seconds;

NodeStatus node(double fps, double planned_ms, double busy_ms, std::int64_t run = 100) {
  NodeStatus out;
  out.fps = fps;
  out.planned_ms = planned_ms;
  out.busy_ms = busy_ms;
  out.run = run;
  return out;
}

TEST(BudgetWatch, SlowdownWeighsNodesByTheirRates) {
  const std::vector<NodeStatus> nodes = {node(10, 2, 4), node(1, 30, 30)};
  EXPECT_DOUBLE_EQ(*BudgetWatch::slowdown(nodes), 70.0 / 50.0);
  const std::vector<NodeStatus> young = {node(10, 2, 4, 3)}, unknown = {node(10, 0, 4)};
  EXPECT_FALSE(BudgetWatch::slowdown(young));
  EXPECT_FALSE(BudgetWatch::slowdown(unknown));
  EXPECT_FALSE(BudgetWatch::slowdown({}));
}

/// Looks once a second; the second at which it acts, or -1.
int acts_at(BudgetWatch& watch, BudgetWatch::Time& now, double slowdown, int looks) {
  for (int i = 0; i < looks; ++i) {
    now += seconds(1);
    if (watch.look(slowdown, now)) return i + 1;
  }
  return -1;
}

TEST(BudgetWatch, ActsAfterAWhileAndOnce) {
  BudgetWatch watch;
  BudgetWatch::Time now{};
  EXPECT_EQ(acts_at(watch, now, 1.1, 100), -1) << "within the tolerance";
  EXPECT_EQ(acts_at(watch, now, 2.0, 100), BudgetWatch::kInARow);
  EXPECT_EQ(watch.assumed(), 2.0);
  EXPECT_EQ(acts_at(watch, now, 2.1, 100), -1) << "it is what the schedule assumes now";
  EXPECT_EQ(acts_at(watch, now, 1.0, 100), BudgetWatch::kInARow) << "and back";
}

TEST(BudgetWatch, RestsAfterAChangeAndForgivesHiccups) {
  BudgetWatch watch;
  BudgetWatch::Time now{};
  EXPECT_EQ(acts_at(watch, now, 2.0, 100), 31) << "a new tree is left alone for 30 s";
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(acts_at(watch, now, 4.0, BudgetWatch::kInARow - 1), -1);
    EXPECT_EQ(acts_at(watch, now, 2.0, 1), -1);
  }
  watch.changed(now);
  EXPECT_EQ(acts_at(watch, now, 4.0, 100), 30);
}

}  // namespace
}  // namespace graft::run
