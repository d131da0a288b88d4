// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/synthetic.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"

namespace graft::data {
namespace {

SyntheticOptions small() {
  SyntheticOptions options;
  options.train = 600;
  options.test = 200;
  return options;
}

TEST(Synthetic, IsAFunctionOfSeedSplitAndId) {
  const Synthetic a(small(), Split::kTrain), same(small(), Split::kTrain);
  EXPECT_EQ(a.fingerprint(), same.fingerprint());
  SyntheticOptions other = small();
  other.seed = 1;
  EXPECT_NE(Synthetic(other, Split::kTrain).fingerprint(), a.fingerprint());
  // A longer set begins with the same images; the test split shares none.
  SyntheticOptions longer = small();
  longer.train = 900;
  const Synthetic b(longer, Split::kTrain), test(small(), Split::kTest);
  std::vector<std::uint8_t> x(a.image_size().bytes()), y(x.size());
  for (const std::int64_t id : {0, 17, 599}) {
    a.read(id, x);
    b.read(id, y);
    EXPECT_EQ(x, y);
    test.read(id % 200, y);
    EXPECT_NE(x, y);
  }
}

/// The pixels are part of the interface: results are compared across machines and versions.
TEST(Synthetic, PixelsAreThoseOfTheFirstRelease) {
  const Synthetic data(small(), Split::kTrain);
  EXPECT_EQ(data.fingerprint(), "f20a949ff18583703206343311b02d982e19c6104e8c77bde95acc93200da96f");
}

TEST(Synthetic, ClassesAreBalanced) {
  const Synthetic data(small(), Split::kTrain);
  std::vector<int> counts(10);
  for (std::int64_t id = 0; id < data.size(); ++id)
    ++counts[static_cast<std::size_t>(data.label(id))];
  for (const int count : counts) EXPECT_EQ(count, 60);
  EXPECT_EQ(data.classes(), 10);
}

TEST(Synthetic, MostExamplesAreEasyAndATailIsHard) {
  SyntheticOptions options = small();
  options.train = 5000;
  const Synthetic data(options, Split::kTrain);
  int easy = 0, hard = 0;
  for (std::int64_t id = 0; id < data.size(); ++id) {
    easy += data.difficulty(id) <= 0.3 ? 1 : 0;
    hard += data.difficulty(id) > 0.4 ? 1 : 0;
  }
  EXPECT_EQ(easy + hard, 5000);
  const double expected = options.hard * 5000;
  EXPECT_NEAR(hard, expected, 5 * std::sqrt(expected * (1 - options.hard)));
}

/// Noise grows with difficulty: neighbouring pixels of hard images differ more.
TEST(Synthetic, DifficultyShowsInThePixels) {
  const Synthetic data(small(), Split::kTrain);
  double roughness[2] = {};
  int count[2] = {};
  std::vector<std::uint8_t> pixels(data.image_size().bytes());
  for (std::int64_t id = 0; id < data.size(); ++id) {
    data.read(id, pixels);
    double sum = 0;
    for (std::size_t i = 3; i < 33; ++i) sum += std::abs(double{1} * pixels[i] - pixels[i - 3]);
    const int hard = data.difficulty(id) > 0.4 ? 1 : 0;
    roughness[hard] += sum / 30;
    ++count[hard];
  }
  EXPECT_GT(roughness[1] / count[1], 2 * roughness[0] / count[0]);
}

TEST(Synthetic, OptionsOutOfRangeAreRefused) {
  SyntheticOptions options = small();
  options.hard = 1.5;
  EXPECT_TRUE(
      testing::fails_with(Errc::kUsage, {"hard=1.5"}, [&] { Synthetic(options, Split::kTrain); }));
  options = small();
  options.test = 3;
  EXPECT_TRUE(
      testing::fails_with(Errc::kUsage, {"test=3"}, [&] { Synthetic(options, Split::kTest); }));
}

}  // namespace
}  // namespace graft::data
