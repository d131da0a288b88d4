// SPDX-License-Identifier: Apache-2.0
// Test A29 of the specification of Selective-Backprop's data.
#include "runtime/data/label_noise.h"

#include <cmath>
#include <map>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"
#include "tests/unit/runtime_data/fake_dataset.h"

namespace graft::data {
namespace {

using testing::FakeDataset;

TEST(LabelNoiseA29, UniformFlipChangesExactlyRoundRhoN) {
  const auto base = std::make_shared<FakeDataset>(50000);
  for (const auto& [fraction, expected] :
       {std::pair{0.01, 500u}, std::pair{0.1, 5000u}, std::pair{0.2, 10000u}, std::pair{0.0, 0u}}) {
    const LabelNoise noisy(base, LabelNoiseKind::kUniformFlip, fraction, 3);
    EXPECT_EQ(noisy.changed().size(), expected);
    for (const std::int64_t id : noisy.changed()) ASSERT_NE(noisy.label(id), base->label(id));
  }
  const auto odd = std::make_shared<FakeDataset>(7);
  EXPECT_EQ(LabelNoise(odd, LabelNoiseKind::kUniformFlip, 0.5, 0).changed().size(), 4u);  // 3.5
}

/// Chi-square over the 9 other classes and over which examples were drawn.
TEST(LabelNoiseA29, UniformFlipIsUniform) {
  constexpr double kLimit8 = 26.1;    // 99.9 % of chi-square with 8 degrees of freedom
  constexpr double kLimit99 = 148.2;  // and with 99
  const auto base = std::make_shared<FakeDataset>(50000);
  const LabelNoise noisy(base, LabelNoiseKind::kUniformFlip, 0.2, 11);
  std::vector<double> step(10), place(100);
  for (const std::int64_t id : noisy.changed()) {
    ++step[static_cast<std::size_t>((noisy.label(id) - base->label(id) + 10) % 10)];
    ++place[static_cast<std::size_t>(id / 500)];
  }
  EXPECT_EQ(step[0], 0);
  double chi_step = 0, chi_place = 0;
  for (std::size_t s = 1; s < 10; ++s)
    chi_step += std::pow(step[s] - 10000.0 / 9, 2) / (10000.0 / 9);
  for (const double count : place) chi_place += std::pow(count - 100, 2) / 100;
  EXPECT_LT(chi_step, kLimit8);
  EXPECT_GT(chi_step, 0.5);
  EXPECT_LT(chi_place, kLimit99);
  EXPECT_GT(chi_place, 20);
}

TEST(LabelNoiseA29, PermutePrefixKeepsTheHistogram) {
  const auto base = std::make_shared<FakeDataset>(50000);
  for (const auto& [fraction, k, slack] :
       {std::tuple{0.1, 5000, 5 * 21}, std::tuple{0.2, 10000, 5 * 30}}) {
    const LabelNoise noisy(base, LabelNoiseKind::kPermutePrefix, fraction, 3);
    std::map<int, int> before, after;
    for (std::int64_t id = 0; id < base->size(); ++id) {
      ++before[base->label(id)];
      ++after[noisy.label(id)];
      ASSERT_TRUE(id < k || noisy.label(id) == base->label(id)) << id;
    }
    EXPECT_EQ(before, after);
    EXPECT_NEAR(static_cast<double>(noisy.changed().size()), 0.9 * k, slack);
  }
}

TEST(LabelNoise, IsAFunctionOfTheSeed) {
  const auto base = std::make_shared<FakeDataset>(1000);
  for (const auto kind : {LabelNoiseKind::kUniformFlip, LabelNoiseKind::kPermutePrefix}) {
    const LabelNoise a(base, kind, 0.3, 1), same(base, kind, 0.3, 1), other(base, kind, 0.3, 2);
    EXPECT_EQ(a.changed(), same.changed());
    EXPECT_EQ(a.fingerprint(), same.fingerprint());
    EXPECT_NE(a.changed(), other.changed());
    EXPECT_NE(a.fingerprint(), other.fingerprint());
  }
}

TEST(LabelNoise, RefusesAFractionOutsideItsRange) {
  const auto base = std::make_shared<FakeDataset>(10);
  EXPECT_TRUE(testing::fails_with(Errc::kInvalidArgument, {"1.5"},
                                  [&] { LabelNoise(base, LabelNoiseKind::kUniformFlip, 1.5, 0); }));
}

}  // namespace
}  // namespace graft::data
