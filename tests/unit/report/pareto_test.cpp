// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/pareto.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/report/runs.h"

namespace graft::report {
namespace {

using graft::testing::run_of;

TEST(Pareto, FrontHoldsWhatNothingBeatsInTimeAndError) {
  const std::vector<Group> groups = {
      {.label = "a", .runs = {run_of({{6, .5}, {6, .3}, {6, .1}})}},
      {.label = "b", .runs = {run_of({{3, .6}, {3, .55}, {5, .3}}), run_of({{8, .4}, {1, NAN}})}}};
  const std::vector<ParetoPoint> front = pareto_front(groups);
  // By time: b .6 at 3; at 6 a .5 beats b .55; b .4 at 8; b .3 at 11 beats a .3 at 12; a .1 at 18.
  ASSERT_EQ(front.size(), 5U);
  const std::vector<double> seconds = {3, 6, 8, 11, 18}, errors = {.6, .5, .4, .3, .1};
  const std::vector<std::size_t> of = {1, 0, 1, 1, 0};
  for (std::size_t i = 0; i < front.size(); ++i) {
    EXPECT_DOUBLE_EQ(front[i].seconds, seconds[i]);
    EXPECT_EQ(front[i].error, errors[i]);
    EXPECT_EQ(front[i].group, of[i]);
  }
  const std::vector<double> shares = pareto_shares(front, groups.size());
  EXPECT_DOUBLE_EQ(shares[0], .4);
  EXPECT_DOUBLE_EQ(shares[1], .6);
}

TEST(Pareto, OfNothingIsEmpty) {
  EXPECT_TRUE(pareto_front({}).empty());
  EXPECT_EQ(pareto_shares({}, 2), (std::vector<double>{0, 0}));
}

}  // namespace
}  // namespace graft::report
