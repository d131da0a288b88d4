// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/statistics.h"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace graft::report {
namespace {

TEST(Statistics, StudentTMatchesTheTables) {
  for (const auto& [degrees, t] : {std::pair{1, 12.7062047},
                                   {2, 4.3026527},
                                   {3, 3.1824463},
                                   {4, 2.7764451},
                                   {5, 2.5705818},
                                   {9, 2.2621572},
                                   {10, 2.2281389},
                                   {30, 2.0422725},
                                   {31, 2.0395134},
                                   {1000, 1.9623391}}) {
    EXPECT_NEAR(student_t_95(degrees), t, 1e-6) << degrees;
  }
  EXPECT_THROW((void)student_t_95(0), Error);
}

TEST(Statistics, WilsonIntervals) {
  // Newcombe 1998, table I: 81 of 263 and 15 of 148 and 0 of 20 and 1 of 29.
  const auto near = [](ShareInterval got, double low, double high) {
    EXPECT_NEAR(got.low, low, 5e-5);
    EXPECT_NEAR(got.high, high, 5e-5);
  };
  near(wilson_95(81, 263), 0.2553, 0.3662);
  near(wilson_95(15, 148), 0.0624, 0.1605);
  near(wilson_95(0, 20), 0, 0.1611);
  near(wilson_95(1, 29), 0.0061, 0.1718);
  near(wilson_95(20, 20), 0.8389, 1);
  near(wilson_95(0, 0), 0, 1);
}

TEST(Statistics, SummaryOfSeeds) {
  const SeedSummary s = summarize(std::vector<double>{1, 2, 3, 4, 5});
  EXPECT_EQ(s.n, 5);
  EXPECT_DOUBLE_EQ(s.mean, 3);
  EXPECT_DOUBLE_EQ(s.sd, std::sqrt(2.5));
  EXPECT_NEAR(s.half_width, 2.7764451 * std::sqrt(2.5 / 5), 1e-6);
}

TEST(Statistics, FewOrMissingValues) {
  EXPECT_EQ(summarize({}).n, 0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const SeedSummary one = summarize(std::vector<double>{nan, 7, nan});
  EXPECT_EQ(one.n, 1);
  EXPECT_EQ(one.mean, 7);
  EXPECT_EQ(one.sd, 0);
  EXPECT_EQ(one.half_width, 0);
}

TEST(Statistics, QuantilesInterpolate) {
  EXPECT_EQ(quantiles(std::vector<float>{4, 0, 2}, 5), (std::vector<double>{0, 1, 2, 3, 4}));
  EXPECT_EQ(quantiles(std::vector<float>{3}, 3), (std::vector<double>{3, 3, 3}));
  EXPECT_TRUE(quantiles({}, 3).empty());
}

}  // namespace
}  // namespace graft::report
