// SPDX-License-Identifier: Apache-2.0
#include "engine/core/rng.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace graft {
namespace {

using Block = std::array<std::uint32_t, 4>;

constexpr RngPurpose kPurposes[] = {
    RngPurpose::kInit,    RngPurpose::kShuffle,    RngPurpose::kAugment,   RngPurpose::kSelect,
    RngPurpose::kDropout, RngPurpose::kLabelNoise, RngPurpose::kSynthetic, RngPurpose::kTest};

// kat_vectors of Random123 1.14, philox 4x32 10.
TEST(Philox, MatchesKnownAnswers) {
  constexpr std::uint32_t kOnes = 0xFFFFFFFF;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// The address of a word is part of every checkpoint: it may not change.
TEST(Philox, KeepsItsAddressing) {
  const RngKey key{.seed = 0x1122334455667788,
                   .purpose = RngPurpose::kDropout,
                   .epoch = 7,
                   .id = 0xABCDEF12345678};
  EXPECT_EQ(philox_block(key, 9),
            philox4x32({9, 0x12345678, 7, 0x05ABCDEF}, {0x55667788, 0x11223344}));
}

TEST(Philox, EveryPartOfTheKeyChangesTheStream) {
  const RngKey base{.seed = 1, .purpose = RngPurpose::kTest, .epoch = 2, .id = 3};
  std::vector<RngKey> keys = {base};
  for (int part = 0; part < 5; ++part) keys.push_back(base);
  keys[1].seed = 5;
  keys[2].seed = 1 + (std::uint64_t{1} << 32);
  keys[3].epoch = 5;
  keys[4].id = 5;
  keys[5].id = 3 + (std::uint64_t{1} << 32);
  std::set<Block> first;
  for (const RngKey& k : keys) first.insert(philox_block(k, 0));
  EXPECT_EQ(first.size(), keys.size());
  EXPECT_NE(philox_block(base, 0), philox_block(base, 1));
}

TEST(Philox, PurposesNeverShareAStream) {
  // Words of different purposes agree no more often than chance: never among so few.
  std::set<std::uint32_t> words;
  constexpr int kWords = 64;
  for (const RngPurpose purpose : kPurposes) {
    Philox rng({.seed = 42, .purpose = purpose});
    for (int i = 0; i < kWords; ++i) words.insert(rng.next_u32());
  }
  EXPECT_EQ(words.size(), kWords * std::size(kPurposes));
}

TEST(Philox, PurposesAreUncorrelated) {
  constexpr int kCount = 1 << 14;
  for (const RngPurpose purpose : kPurposes) {
    if (purpose == RngPurpose::kInit) continue;
    Philox a({.seed = 42, .purpose = RngPurpose::kInit}), b({.seed = 42, .purpose = purpose});
    double sum = 0;
    for (int i = 0; i < kCount; ++i) sum += (a.uniform_double() - 0.5) * (b.uniform_double() - 0.5);
    // sd of a product of two uniforms is 1/12.
    EXPECT_LT(std::abs(sum), 5 * std::sqrt(kCount) / 12) << static_cast<int>(purpose);
  }
}

TEST(Philox, ReadsItsBlocksInOrder) {
  const RngKey key{.seed = 3, .id = 4};
  Philox rng(key);
  for (std::uint32_t i = 0; i < 13; ++i) EXPECT_EQ(rng.next_u32(), philox_block(key, i / 4)[i % 4]);
}

TEST(Philox, ACopyReplays) {
  Philox a({.seed = 5});
  (void)a.next_u32();
  Philox b = a;
  for (int i = 0; i < 9; ++i) EXPECT_EQ(a.next_u32(), b.next_u32());
}

TEST(Philox, UniformIsInRangeWithTheRightMoments) {
  Philox rng({.seed = 6});
  constexpr int kCount = 1 << 16;
  double sum = 0, squares = 0, low = 1, high = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = i % 2 == 0 ? static_cast<double>(rng.uniform()) : rng.uniform_double();
    sum += u;
    squares += u * u;
    low = std::min(low, u);
    high = std::max(high, u);
  }
  EXPECT_GE(low, 0);
  EXPECT_LT(high, 1);
  EXPECT_NEAR(sum / kCount, 0.5, 5 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(squares / kCount, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kCount));
}

TEST(Philox, UnitFloatIsBelowOne) {
  EXPECT_EQ(to_unit_float(0), 0);
  EXPECT_EQ(to_unit_float(0xFFFFFFFF), 1 - 0x1p-24f);
  EXPECT_EQ(to_unit_float(0x80000000), 0.5f);
}

TEST(Philox, BelowIsUniform) {
  Philox rng({.seed = 7});
  constexpr int kCount = 70000, kBins = 7;
  std::vector<int> bins(kBins);
  for (int i = 0; i < kCount; ++i) ++bins.at(rng.below(kBins));
  double chi2 = 0;
  for (const int n : bins) chi2 += std::pow(n - kCount / kBins, 2) / (kCount / kBins);
  EXPECT_LT(chi2, 27.9);  // 6 degrees of freedom, p = 1e-4
  EXPECT_EQ(rng.below(1), 0u);
}

TEST(Philox, NormalHasTheRightMoments) {
  Philox rng({.seed = 8});
  constexpr int kCount = 1 << 16;
  double sum = 0, squares = 0, cubes = 0, fourths = 0;
  for (int i = 0; i < kCount; ++i) {
    const double v = rng.normal();
    sum += v;
    squares += v * v;
    cubes += v * v * v;
    fourths += v * v * v * v;
  }
  EXPECT_NEAR(sum / kCount, 0, 5 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(squares / kCount, 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(cubes / kCount, 0, 5 * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(fourths / kCount, 3, 5 * std::sqrt(96.0 / kCount));
}

}  // namespace
}  // namespace graft
