// SPDX-License-Identifier: Apache-2.0
#include "sampler/score/mislabel.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/core/rng.h"

namespace graft {
namespace {

constexpr std::int64_t kDim = 6;
constexpr int kClasses = 3;

/// Clouds around one axis a class. Every fifth label is wrong, every fiftieth example is rare:
/// along an axis that no class owns.
struct Cloud {
  std::vector<float> features, losses;
  std::vector<std::int32_t> labels;
  std::vector<std::int64_t> wrong, rare;

  explicit Cloud(std::int64_t n, double spread) {
    for (std::int64_t i = 0; i < n; ++i) {
      Philox rng({.seed = 5,
                  .purpose = RngPurpose::kTest,
                  .epoch = 0,
                  .id = static_cast<std::uint64_t>(i)});
      const auto truth = static_cast<std::int32_t>(rng.below(kClasses));
      const bool is_rare = i % 50 == 7, is_wrong = i % 5 == 0;
      for (std::int64_t d = 0; d < kDim; ++d) {
        const bool axis = is_rare ? d == kDim - 1 : d == truth;
        features.push_back(static_cast<float>((axis ? 1 : 0) + spread * rng.normal()));
      }
      labels.push_back(is_wrong ? (truth + 1) % kClasses : truth);
      losses.push_back(is_wrong || is_rare ? 3.0F + rng.uniform() : rng.uniform());
      if (is_wrong) wrong.push_back(i);
      if (is_rare) rare.push_back(i);
    }
  }
  [[nodiscard]] std::vector<LabelOpinion> judge() const {
    return judge_labels({features, kDim, labels, losses, kClasses});
  }
};

std::vector<std::int64_t> with(const std::vector<LabelOpinion>& opinions, LabelVerdict verdict) {
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < opinions.size(); ++i) {
    if (opinions[i].verdict == verdict) ids.push_back(static_cast<std::int64_t>(i));
  }
  return ids;
}

TEST(Mislabel, FindsWrongLabelsAndLeavesRareExamplesAlone) {
  const Cloud cloud(3000, 0.15);
  const auto opinions = cloud.judge();
  const FlagQuality wrong = flag_quality(with(opinions, LabelVerdict::kMislabel), cloud.wrong);
  EXPECT_GT(wrong.precision, 0.97);
  EXPECT_GT(wrong.recall, 0.95);
  const FlagQuality rare = flag_quality(with(opinions, LabelVerdict::kRare), cloud.rare);
  EXPECT_GT(rare.recall, 0.9);
}

TEST(Mislabel, LowLossClearsAnExample) {
  Cloud cloud(600, 0.15);
  cloud.losses.assign(cloud.losses.size(), 1.0F);
  EXPECT_TRUE(with(cloud.judge(), LabelVerdict::kMislabel).empty());
}

TEST(Mislabel, IsAFunctionOfItsInput) {
  const Cloud cloud(500, 0.3);
  const auto a = cloud.judge(), b = cloud.judge();
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].posterior, b[i].posterior);
}

TEST(Mislabel, QualityCountsFlagsAgainstTheTruth) {
  const std::vector<std::int64_t> flagged = {1, 2, 3, 9}, wrong = {2, 3, 4, 5, 6};
  const FlagQuality q = flag_quality(flagged, wrong);
  EXPECT_DOUBLE_EQ(q.precision, 0.5);
  EXPECT_DOUBLE_EQ(q.recall, 0.4);
  EXPECT_DOUBLE_EQ(flag_quality({}, wrong).precision, 1);
  EXPECT_DOUBLE_EQ(flag_quality(flagged, {}).recall, 1);
}

TEST(Mislabel, ListsMustFit) {
  const std::vector<float> features(6), losses(3);
  const std::vector<std::int32_t> labels = {0, 1, 2};
  EXPECT_THROW((void)judge_labels({features, 3, labels, losses, 3}), Error);
  EXPECT_THROW((void)judge_labels({features, 2, labels, losses, 2}), Error);
  EXPECT_TRUE(judge_labels({{}, 2, {}, {}, 2}).empty());
}

}  // namespace
}  // namespace graft
