// SPDX-License-Identifier: Apache-2.0
#include "sampler/search/search_space.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/core/rng.h"

namespace graft {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Kind = SearchSpace::Kind;

TEST(AdaptSB, A28_GridSizes) {
  const auto size = [](Kind kind, bool max_normalised) {
    const SearchSpace space({.kind = kind, .max_normalised = max_normalised});
    std::set<std::string> distinct;
    for (const Point& point : space.grid()) distinct.insert(space.at(point).text());
    EXPECT_EQ(distinct.size(), space.grid().size());
    return distinct.size();
  };
  EXPECT_EQ(size(Kind::kKnots, false), 10'000U);
  EXPECT_EQ(size(Kind::kKnots, true), 3'439U);
  EXPECT_EQ(size(Kind::kMonotone, false), 715U);
  EXPECT_EQ(size(Kind::kMonotone, true), 220U);
  EXPECT_EQ(size(Kind::kBeta, false), 100U);
}

TEST(SearchSpace, EveryPointBecomesAMember) {
  Philox rng({.seed = 30});
  for (const Kind kind : {Kind::kKnots, Kind::kMonotone, Kind::kBeta, Kind::kBetaCdf}) {
    for (const std::int64_t levels : {0, 10}) {
      for (const bool normalised : {false, true}) {
        const SearchSpace space({.kind = kind, .levels = levels, .max_normalised = normalised});
        for (int i = 0; i < 200; ++i) {
          Point point(space.dims());
          for (double& v : point) v = 1.2 * rng.uniform_double() - 0.1;  // also outside
          const Priority member = space.at(point);
          const Point there = space.coordinates(member);
          for (const double v : there) ASSERT_TRUE(v >= 0 && v <= 1) << member.text();
          const Point again = space.coordinates(space.at(there));
          for (std::size_t d = 0; d < there.size(); ++d) ASSERT_NEAR(there[d], again[d], 1e-12);
          if (kind == Kind::kMonotone || kind == Kind::kBetaCdf) {
            EXPECT_TRUE(member.is_monotone()) << member.text();
          }
          if (kind == Kind::kKnots && normalised) {
            EXPECT_EQ(*std::max_element(there.begin(), there.end()), 1);
          }
        }
      }
    }
  }
}

TEST(SearchSpace, PoolingIsTheNearestMonotoneSequence) {
  std::vector<double> values = {0.5, 0.1, 0.3, 0.9, 0.6};
  pool_adjacent_violators(values);
  const std::vector<double> wanted = {0.3, 0.3, 0.3, 0.75, 0.75};
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_DOUBLE_EQ(values[i], wanted[i]);

  // Against all monotone sequences over 11 levels.
  Philox rng({.seed = 31});
  for (int round = 0; round < 50; ++round) {
    std::vector<double> y(3);
    for (double& v : y) v = rng.uniform_double();
    std::vector<double> pooled = y;
    pool_adjacent_violators(pooled);
    const auto error = [&](double a, double b, double c) {
      return std::pow(a - y[0], 2) + std::pow(b - y[1], 2) + std::pow(c - y[2], 2);
    };
    const double least = error(pooled[0], pooled[1], pooled[2]);
    for (int a = 0; a <= 10; ++a) {
      for (int b = a; b <= 10; ++b) {
        for (int c = b; c <= 10; ++c) {
          EXPECT_LE(least, error(a / 10.0, b / 10.0, c / 10.0) + 1e-15);
        }
      }
    }
  }
}

TEST(SearchSpace, ProjectsFunctionsOfOtherKindsOntoKnots) {
  const SearchSpace space({.levels = 0});
  EXPECT_EQ(space.at(space.coordinates(Priority::power(1))).text(),
            "linear:0,0.5,0.8,1/0,0.5,0.8,1");
  const SearchSpace scaled({.levels = 0, .max_normalised = true});
  EXPECT_EQ(scaled.at(Point{0, 0, 0, 0}).text(), "linear:0,0.5,0.8,1/1,1,1,1");
  EXPECT_EQ(scaled.at(Point{0, 0.1, 0.2, 0.4}).text(), "linear:0,0.5,0.8,1/0,0.25,0.5,1");
}

TEST(SearchSpace, ErrorsNameTheProblem) {
  const SearchSpace beta({.kind = Kind::kBeta});
  EXPECT_THAT([&] { (void)beta.coordinates(Priority::power(2)); },
              ThrowsMessage<Error>(HasSubstr("'power:2'")));
  EXPECT_THAT([&] { (void)beta.coordinates(Priority::beta(9, 1)); },
              ThrowsMessage<Error>(HasSubstr("'beta:9,1'")));
  EXPECT_THAT([] { SearchSpace({.levels = 1}); }, ThrowsMessage<Error>(HasSubstr("got 1")));
  EXPECT_THAT([] { SearchSpace({.x = {0, 0.5}}); }, ThrowsMessage<Error>(HasSubstr("x = 1")));
  EXPECT_THAT([] { (void)search_space_kind("monoton"); },
              ThrowsMessage<Error>(HasSubstr("`monotone`")));
}

}  // namespace
}  // namespace graft
