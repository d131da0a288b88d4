// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/augment.h"

#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include "runtime/data/batch.h"
#include "tests/unit/runtime_data/fake_dataset.h"

namespace graft::data {
namespace {

using kernels::ImageTransform;

bool equal(const ImageTransform& a, const ImageTransform& b) {
  return a.top == b.top && a.left == b.left && a.flip == b.flip && a.cut_y0 == b.cut_y0 &&
         a.cut_y1 == b.cut_y1 && a.cut_x0 == b.cut_x0 && a.cut_x1 == b.cut_x1;
}

constexpr ImageSize kSize{32, 32};

TEST(Augment, EvaluationChangesNothing) {
  for (std::int64_t id = 0; id < 50; ++id) {
    EXPECT_TRUE(equal(augment({}, kSize, 1, 2, id), ImageTransform{}));
  }
}

TEST(Augment, IsAPureFunctionOfItsAddress) {
  const AugmentOptions options{.pad = 4, .flip = true, .cutout = 16};
  int differ_by_epoch = 0, differ_by_id = 0, differ_by_seed = 0;
  for (std::int64_t id = 0; id < 100; ++id) {
    const ImageTransform t = augment(options, kSize, 7, 3, id);
    EXPECT_TRUE(equal(t, augment(options, kSize, 7, 3, id)));
    differ_by_epoch += equal(t, augment(options, kSize, 7, 4, id)) ? 0 : 1;
    differ_by_id += equal(t, augment(options, kSize, 7, 3, id + 1000)) ? 0 : 1;
    differ_by_seed += equal(t, augment(options, kSize, 8, 3, id)) ? 0 : 1;
  }
  EXPECT_GE(differ_by_epoch, 99);
  EXPECT_GE(differ_by_id, 99);
  EXPECT_GE(differ_by_seed, 99);
}

TEST(Augment, SwitchingOnePartOffLeavesTheOthers) {
  for (std::int64_t id = 0; id < 50; ++id) {
    const ImageTransform all = augment({.pad = 4, .flip = true, .cutout = 8}, kSize, 7, 3, id);
    const ImageTransform no_flip = augment({.pad = 4, .cutout = 8}, kSize, 7, 3, id);
    const ImageTransform no_pad = augment({.flip = true, .cutout = 8}, kSize, 7, 3, id);
    EXPECT_EQ(no_flip.flip, 0);
    EXPECT_EQ(no_flip.top, all.top);
    EXPECT_EQ(no_flip.cut_x0, all.cut_x0);
    EXPECT_EQ(no_pad.top, 0);
    EXPECT_EQ(no_pad.flip, all.flip);
    EXPECT_EQ(no_pad.cut_y1, all.cut_y1);
  }
}

TEST(Augment, OffsetsFlipsAndHolesAreUniform) {
  constexpr int kCount = 18000;
  std::map<int, int> tops, flips;
  std::map<std::pair<int, int>, int> rows;
  for (std::int64_t id = 0; id < kCount; ++id) {
    const ImageTransform t = augment({.pad = 4, .flip = true, .cutout = 16}, kSize, 1, 0, id);
    ++tops[t.top];
    ++flips[t.flip];
    ++rows[{t.cut_y0, t.cut_y1}];
    ASSERT_TRUE(t.cut_y0 >= 0 && t.cut_y1 <= 32 && t.cut_y1 - t.cut_y0 <= 16);
  }
  ASSERT_EQ(tops.size(), 9u);
  for (const auto& [top, count] : tops) EXPECT_NEAR(count, kCount / 9, 220);  // 5 sd
  EXPECT_EQ(tops.begin()->first, -4);
  EXPECT_NEAR(flips[1], kCount / 2, 340);
  EXPECT_EQ(rows.size(), 32u);  // a centre on every row, clipped at both borders
  EXPECT_EQ(rows.count({0, 8}), 1u);
  EXPECT_EQ(rows.count({23, 32}), 1u);
}

TEST(Augment, TrainingRecipeFollowsTheDataset) {
  const testing::FakeDataset dataset(100);
  const AugmentOptions options = training_augment(dataset);
  EXPECT_EQ(options.pad, 1);  // 8 pixels high
  EXPECT_TRUE(options.flip);
  EXPECT_EQ(options.cutout, 0);
  EXPECT_EQ(evaluation_augment(dataset).pad, 0);
}

TEST(MakeBatch, NormalisesAndLabels) {
  const auto dataset = std::make_shared<testing::FakeDataset>(100);
  AugmentOptions options;
  options.normalization = {{0.1, 0.2, 0.3}, {0.5, 0.25, 2.0}};
  const std::int64_t ids[] = {42, 7};
  const std::uint32_t epochs[] = {0, 5};
  const Batch batch = make_batch(dataset, ids, epochs, options, 0);
  EXPECT_EQ(batch.x.shape(), (Shape{2, 8, 6, 3}));
  EXPECT_EQ(batch.y.ptr<std::int32_t>()[0], 2);
  EXPECT_EQ(batch.y.ptr<std::int32_t>()[1], 7);
  std::vector<std::uint8_t> pixels(dataset->image_size().bytes());
  dataset->read(7, pixels);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const auto& n = options.normalization;
    const double expected = (pixels[i] / 255.0 - n.mean[i % 3]) / n.stddev[i % 3];
    ASSERT_EQ(batch.x.ptr<float>()[pixels.size() + i], static_cast<float>(expected));
  }
}

}  // namespace
}  // namespace graft::data
