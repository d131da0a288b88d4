// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"
#include "tests/unit/runtime_data/fake_dataset.h"

namespace graft::data {
namespace {

using testing::FakeDataset;

TEST(EpochOrder, IsAPermutationThatDependsOnSeedAndEpochOnly) {
  const auto order = epoch_order(1000, 5, 3);
  EXPECT_EQ(order, epoch_order(1000, 5, 3));
  EXPECT_NE(order, epoch_order(1000, 5, 4));
  EXPECT_NE(order, epoch_order(1000, 6, 3));
  EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(), 1000u);
  EXPECT_EQ(*std::max_element(order.begin(), order.end()), 999);
  EXPECT_TRUE(epoch_order(0, 1, 1).empty());
}

TEST(EpochOrder, EveryPlaceIsEquallyLikely) {
  constexpr int kEpochs = 20000, kN = 5;
  int counts[kN][kN] = {};
  for (std::uint32_t e = 0; e < kEpochs; ++e) {
    const auto order = epoch_order(kN, 1, e);
    for (int i = 0; i < kN; ++i) ++counts[i][order[static_cast<std::size_t>(i)]];
  }
  const double expected = static_cast<double>(kEpochs) / kN;
  for (const auto& row : counts) {
    for (const int count : row)
      EXPECT_NEAR(count, expected, 5 * std::sqrt(expected * (kN - 1) / kN));
  }
}

TEST(Subset, RenumbersAndFingerprintsItsIds) {
  const auto base = std::make_shared<FakeDataset>(20);
  const Subset subset(base, {7, 3, 12});
  EXPECT_EQ(subset.size(), 3);
  EXPECT_EQ(subset.label(2), base->label(12));
  std::vector<std::uint8_t> a(subset.image_size().bytes()), b(a.size());
  subset.read(1, a);
  base->read(3, b);
  EXPECT_EQ(a, b);
  EXPECT_NE(subset.fingerprint(), Subset(base, {7, 3, 11}).fingerprint());
  EXPECT_NE(subset.fingerprint(), base->fingerprint());
  EXPECT_TRUE(
      testing::fails_with(Errc::kInvalidArgument, {"id 20 of 20"}, [&] { Subset(base, {20}); }));
}

TEST(Joined, NumbersItsPartsThrough) {
  const auto base = std::make_shared<FakeDataset>(20);
  const auto part = std::make_shared<Subset>(base, std::vector<std::int64_t>{7, 3, 12});
  const Joined joined({base, part});
  EXPECT_EQ(joined.size(), 23);
  EXPECT_EQ(joined.label(19), base->label(19));
  EXPECT_EQ(joined.label(20), base->label(7));
  EXPECT_EQ(joined.example_name(22), "12");
  std::vector<std::uint8_t> a(joined.image_size().bytes()), b(a.size());
  joined.read(21, a);
  base->read(3, b);
  EXPECT_EQ(a, b);
  EXPECT_NE(joined.fingerprint(), Joined({part, base}).fingerprint());
  EXPECT_TRUE(testing::fails_with(Errc::kInvalidArgument, {"id 23 of 23"},
                                  [&] { (void)joined.label(23); }));
}

TEST(LimitExamples, DrawsDistinctExamplesOfAllClasses) {
  const auto base = std::make_shared<FakeDataset>(1000);
  const DatasetPtr limited = limit_examples(base, 300);
  EXPECT_EQ(limited->size(), 300);
  const auto& subset = dynamic_cast<const Subset&>(*limited);
  std::set<std::int64_t> ids;
  std::set<int> labels;
  for (std::int64_t i = 0; i < 300; ++i) {
    ids.insert(subset.base_id(i));
    labels.insert(limited->label(i));
  }
  EXPECT_EQ(ids.size(), 300u);
  EXPECT_EQ(labels.size(), 10u);
  EXPECT_EQ(limit_examples(base, 300)->fingerprint(), limited->fingerprint());
  EXPECT_EQ(limit_examples(base, 1000), base);
}

TEST(Normalization, IsThatOfThePixels) {
  /// Channel 0 constant 51, channel 1 half 0 half 255, channel 2 constant 255.
  class Flat final : public Dataset {
   public:
    std::string name() const override { return "flat"; }
    std::int64_t size() const override { return 4; }
    const std::vector<std::string>& class_names() const override { return names_; }
    ImageSize image_size() const override { return {2, 2}; }
    int label(std::int64_t) const override { return 0; }
    void read(std::int64_t id, std::span<std::uint8_t> hwc) const override {
      for (std::size_t i = 0; i < hwc.size(); ++i) {
        hwc[i] = i % 3 == 0 ? 51 : i % 3 == 2 || id % 2 == 1 ? 255 : 0;
      }
    }
    std::string fingerprint() const override { return "flat"; }

   private:
    std::vector<std::string> names_ = {"only"};
  };
  const Normalization n = normalization_of(Flat());
  EXPECT_NEAR(n.mean[0], 0.2, 1e-12);
  EXPECT_NEAR(n.mean[1], 0.5, 1e-12);
  EXPECT_NEAR(n.mean[2], 1.0, 1e-12);
  EXPECT_NEAR(n.stddev[1], 0.5, 1e-12);
  EXPECT_GT(n.stddev[0], 0);
}

}  // namespace
}  // namespace graft::data
