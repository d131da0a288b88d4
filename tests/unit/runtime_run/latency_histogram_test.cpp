// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/latency_histogram.h"

#include <gtest/gtest.h>

namespace graft::run {
namespace {

TEST(LatencyHistogram, QuantilesWithinTheWidthOfAClass) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.quantile_s(0.5), 0);
  for (int i = 1; i <= 1000; ++i) histogram.add(i * 1e-4);
  EXPECT_EQ(histogram.count(), 1000);
  EXPECT_NEAR(histogram.sum_s(), 50.05, 1e-6);
  EXPECT_NEAR(histogram.quantile_s(0.5), 0.050, 0.005);
  EXPECT_NEAR(histogram.quantile_s(0.99), 0.099, 0.010);
}

TEST(LatencyHistogram, BucketsHoldWhatIsUpToTheirBounds) {
  LatencyHistogram histogram;
  for (const double s : {0.0, 1e-6, 0.001, 0.1, 1000.0}) histogram.add(s);
  for (const auto& [bound, count] : histogram.cumulative()) {
    const int expected = 2 + (0.001 <= bound ? 1 : 0) + (0.1 <= bound ? 1 : 0);
    EXPECT_EQ(count, expected) << bound;
  }
  EXPECT_GT(histogram.quantile_s(1), 20) << "beyond the last class";
}

}  // namespace
}  // namespace graft::run
