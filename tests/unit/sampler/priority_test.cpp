// SPDX-License-Identifier: Apache-2.0
#include "sampler/score/priority.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/core/rng.h"

namespace graft {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::vector<double> kKnots = {0, 0.5, 0.8, 1};

/// Mean over the midpoints of m equal cells.
double mean_over_grid(const Priority& priority, int m) {
  double sum = 0;
  for (int i = 0; i < m; ++i) sum += priority((i + 0.5) / m);
  return sum / m;
}

TEST(AdaptSB, A26_SelectivityOfFourKnots) {
  Philox rng({.seed = 26});
  constexpr int kM = 1000;
  for (int round = 0; round < 50; ++round) {
    std::vector<double> y(4);
    for (double& v : y) v = rng.uniform_double();
    const Priority priority = Priority::linear(kKnots, y);
    const double expected = 0.25 * y[0] + 0.40 * y[1] + 0.25 * y[2] + 0.10 * y[3];
    const double slope = std::max(
        {std::abs(y[1] - y[0]) / 0.5, std::abs(y[2] - y[1]) / 0.3, std::abs(y[3] - y[2]) / 0.2});
    EXPECT_NEAR(priority.mean(), expected, 1e-15);
    EXPECT_NEAR(mean_over_grid(priority, kM), expected, slope / kM);
  }
}

TEST(AdaptSB, A26_DiagonalKnotsDecideAsBetaOne) {
  const Priority diagonal = Priority::linear(kKnots, kKnots), power = Priority::power(1);
  Philox rng({.seed = 27});
  for (int i = 0; i < 100'000; ++i) {
    const double c = rng.uniform_double(), u = rng.uniform();
    EXPECT_NEAR(diagonal(c), c, 2e-16);
    if (std::abs(u - c) > 2e-16) {
      EXPECT_EQ(u < diagonal(c), u < power(c));
    }
  }
}

TEST(AdaptSB, A27_LinearNeverLeavesTheUnitInterval) {
  Philox rng({.seed = 28});
  std::int64_t clamps = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<double> x = {0, rng.uniform_double(), rng.uniform_double(), 1}, y(4);
    std::sort(x.begin(), x.end());
    for (double& v : y) v = static_cast<double>(rng.below(3)) / 2;
    const Priority priority = Priority::linear(x, y);
    for (int i = 0; i <= 500; ++i) {
      const double p = priority(i / 500.0, clamps);
      ASSERT_TRUE(p >= 0 && p <= 1) << priority.text() << " at " << i / 500.0;
    }
  }
  EXPECT_EQ(clamps, 0);
}

TEST(AdaptSB, A27_QuadraticSplineIsClampedAndClampsAreCounted) {
  // Through (0, 1) (.5, 0) (1, .2): 2.4 x^2 - 3.2 x + 1, below 0 in (1/2, 5/6).
  const Priority low = Priority::quadratic({0, 0.5, 1}, {1, 0, 0.2});
  std::int64_t clamps = 0;
  for (int i = 0; i < 600; ++i) {
    const double c = (i + 0.5) / 600, p = low(c, clamps);
    EXPECT_NEAR(p, std::max(0.0, (2.4 * c - 3.2) * c + 1), 1e-14);
  }
  EXPECT_EQ(clamps, 200);
  const Priority high = Priority::quadratic({0, 0.5, 1}, {0.5, 1, 1});  // -x^2 + 1.5 x + .5
  clamps = 0;
  for (int i = 0; i < 100; ++i) EXPECT_LE(high((i + 0.5) / 100, clamps), 1);
  EXPECT_EQ(clamps, 50);
  clamps = 0;
  for (const double c : {0.0, 0.5, 1.0}) EXPECT_GE(high(c, clamps), 0.5);
  EXPECT_EQ(clamps, 0) << "knots at 1 are no clamps";
  EXPECT_NEAR(low.mean(), mean_over_grid(low, 100'000), 1e-9);
  EXPECT_NEAR(high.mean(), mean_over_grid(high, 100'000), 1e-9);
  EXPECT_TRUE(high.is_monotone());
  EXPECT_FALSE(low.is_monotone());
}

TEST(AdaptSB, A28_BetaDensityIsThePowerAtQOneAndPeaksAtItsMode) {
  for (const double p : {1.0, 1.5, 3.0, 7.0}) {
    for (int i = 0; i <= 100; ++i) {
      EXPECT_DOUBLE_EQ(Priority::beta(p, 1)(i / 100.0), Priority::power(p - 1)(i / 100.0));
    }
  }
  for (const auto& [p, q] : {std::pair{2.0, 2.0}, {3.0, 1.5}, {1.2, 5.0}, {400.0, 300.0}}) {
    const Priority priority = Priority::beta(p, q);
    const double mode = (p - 1) / (p + q - 2);
    EXPECT_DOUBLE_EQ(priority(mode), 1);
    EXPECT_LT(priority(mode - 0.01), 1);
    EXPECT_LT(priority(mode + 0.01), 1);
    EXPECT_EQ(priority(0), 0);
    EXPECT_EQ(priority(1), 0);
  }
}

TEST(Priority, BetaDistributionMatchesClosedForms) {
  for (int i = 0; i <= 200; ++i) {
    const double c = i / 200.0;
    EXPECT_NEAR(Priority::beta_cdf(1, 1)(c), c, 1e-14);
    EXPECT_NEAR(Priority::beta_cdf(3, 1)(c), c * c * c, 1e-14);
    EXPECT_NEAR(Priority::beta_cdf(1, 4)(c), 1 - std::pow(1 - c, 4), 1e-14);
    EXPECT_NEAR(Priority::beta_cdf(2, 2)(c), c * c * (3 - 2 * c), 1e-14);
    EXPECT_NEAR(Priority::beta_cdf(0.5, 0.5)(c), 2 / M_PI * std::asin(std::sqrt(c)), 1e-14);
    EXPECT_NEAR(Priority::beta_cdf(40, 7)(c), 1 - Priority::beta_cdf(7, 40)(1 - c), 1e-13);
  }
}

TEST(Priority, MeanIsTheIntegral) {
  for (const char* text : {"power:2", "power:0.5", "power:0", "linear:0,1/0.2,0.4",
                           "linear:0,0.25,0.3,0.9,1/1,0,1,0,1", "beta:2,1", "beta:1,3",
                           "beta:2.5,1.7", "beta:1,1", "betacdf:2,5", "betacdf:0.5,0.5"}) {
    const Priority priority = Priority::parse(text);
    EXPECT_NEAR(priority.mean(), mean_over_grid(priority, 200'000), 2e-6) << text;
  }
}

TEST(Priority, TextIsReadBack) {
  for (const char* text : {"power:2", "linear:0,0.5,0.8,1/0.1,0.3,0.9,1", "beta:2,1",
                           "betacdf:1.5,3", "quadratic:0,0.5,1/0.1,0.2,1", "power:0.333"}) {
    EXPECT_EQ(Priority::parse(text).text(), text);
  }
  Philox rng({.seed = 29});
  for (int i = 0; i < 100; ++i) {
    const Priority priority =
        Priority::linear({0, rng.uniform_double(), 1},
                         {rng.uniform_double(), rng.uniform_double(), rng.uniform_double()});
    EXPECT_EQ(Priority::parse(priority.text()), priority);
  }
  EXPECT_EQ(Priority::parse("power:2.0").text(), "power:2");
}

TEST(Priority, MaximumIsNormalised) {
  EXPECT_EQ(Priority::parse("linear:0,0.5,1/0.25,0.5,0").max_normalised().text(),
            "linear:0,0.5,1/0.5,1,0");
  EXPECT_EQ(Priority::parse("beta:2,3").max_normalised().text(), "beta:2,3");
  EXPECT_NEAR(Priority::parse("quadratic:0,0.5,1/0,0.5,0").max_normalised()(0.5), 1, 1e-15);
  EXPECT_THAT([] { (void)Priority::parse("linear:0,1/0,0").max_normalised(); },
              ThrowsMessage<Error>(HasSubstr("selects nothing")));
}

TEST(Priority, KnowsWhetherItFalls) {
  for (const char* text : {"power:0", "power:3", "linear:0,0.5,1/0,0,1", "beta:4,1", "betacdf:2,9",
                           "quadratic:0,0.5,1/0,0.25,1"}) {
    EXPECT_TRUE(Priority::parse(text).is_monotone()) << text;
  }
  for (const char* text : {"linear:0,0.5,1/0,1,0.9", "beta:2,2", "quadratic:0,0.5,1/0,0.9,0.95"}) {
    EXPECT_FALSE(Priority::parse(text).is_monotone()) << text;
  }
}

TEST(Priority, ErrorsNameTextAndPosition) {
  const auto expect = [](const char* text, const char* part) {
    EXPECT_THAT(
        [=] { (void)Priority::parse(text); },
        ThrowsMessage<Error>(AllOf(HasSubstr(std::string("'") + text + "'"), HasSubstr(part))));
  };
  expect("powr:2", "`power`");
  expect("", "at character 1");
  expect("power", "at character 6");
  expect("power:", "expects a number, got '' at character 7");
  expect("power:2,3", "one exponent");
  expect("power:-1", "[0, 1e6]");
  expect("power:nan", "at character 7");
  expect("linear:0,0.5x,1/0,1,1", "'0.5x' at character 10");
  expect("linear:0,1", "'/'");
  expect("linear:0,1/", "at character 12");
  expect("linear:0,1/0,1,1", "as many x as y");
  expect("linear:0,0.9/0,1", "x = 1");
  expect("linear:0,0.5,0.5,1/0,1,1,1", "ascending");
  expect("linear:0,1/0,1.5", "[0, 1]");
  expect("linear:0,1/0,1/1", "got '1/1' at character 14");
  expect("quadratic:0,1/0,1", "three knots");
  expect("beta:0.5,2", "[1, 1e6]");
  expect("betacdf:0,2", "[1e-6, 1e6]");
  EXPECT_THROW((void)Priority::power(2)(1.5), Error);
  EXPECT_THROW((void)Priority::power(2)(std::nan("")), Error);
}

}  // namespace
}  // namespace graft
