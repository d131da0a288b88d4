// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/folding.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft {
namespace {

using testing::drawn_model;
using testing::small_model;
using testing::TempFolder;
using testing::test_image;

bool has_layer(const Graph& graph, std::string_view kind) {
  for (const Node& n : graph.nodes()) {
    if (n.layer != nullptr && n.layer->kind() == kind) return true;
  }
  return false;
}

class FoldingOf : public ::testing::TestWithParam<const char*> {};

TEST_P(FoldingOf, MovesNoLogitBeyondTheTolerance) {
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, GetParam(), 32, 10);
  const double difference = folding_difference(model);
  EXPECT_LT(difference, kFoldTolerance / 10);
  EXPECT_TRUE(model.header().folds);
}

INSTANTIATE_TEST_SUITE_P(Zoo, FoldingOf,
                         ::testing::Values("small_cnn", "resnet8", "wrn-10-1",
                                           "mobilenet_v2:width=0.25", "densenet-bc-10-4"),
                         [](const auto& test) { return "case" + std::to_string(test.index); });

TEST(Folding, AModelThatMovesTooFarRunsAsWritten) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  Model model = small_model(ctx, false);
  check_folding(model);
  ASSERT_TRUE(model.header().folds);
  EXPECT_FALSE(has_layer(model.inference_graph(), "BatchNorm2d"));
  check_folding(model, 0);
  ASSERT_FALSE(model.header().folds);
  EXPECT_TRUE(has_layer(model.inference_graph(), "BatchNorm2d"));
  model.save(folder / "m.graft");
  Model back = Model::load(ctx, folder / "m.graft");
  EXPECT_FALSE(back.header().folds);
  (void)back.classify(test_image());
  EXPECT_TRUE(has_layer(back.executor().graph(), "BatchNorm2d"));
}

TEST(Folding, FollowsWeightsThatChange) {
  Context ctx(Backend::kCpu);
  Model model = small_model(ctx, false);
  const ImageU8 image = test_image();
  const auto first = model.run(std::span(&image, 1));
  const std::vector<float> before(first.begin(), first.end());
  model.params().initialise(ctx, 2);
  const auto second = model.run(std::span(&image, 1));
  EXPECT_NE(before, std::vector<float>(second.begin(), second.end()));
  EXPECT_LT(folding_difference(model), kFoldTolerance);
}

TEST(Folding, NumbersThatOverflowInOneFormOnlyAreFound) {
  Context ctx(Backend::kCpu);
  Model model = small_model(ctx, false);
  // The folded filter, scale times weight, is beyond f32; the convolution alone is not.
  const ParamStore& params = model.params();
  for (const auto& e : params.entries()) {
    if (e.name.ends_with("running_var")) std::fill_n(e.value.ptr<float>(), e.value.numel(), 0.0F);
  }
  for (const auto& e : params.entries()) {
    if (!e.name.ends_with("weight") || e.spec.shape.rank() != 1) continue;
    std::fill_n(e.value.ptr<float>(), e.value.numel(), 3e38F);
    break;
  }
  model.params().bump_version();
  EXPECT_FALSE(folding_difference(model) <= kFoldTolerance);
}

}  // namespace
}  // namespace graft
