// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/candidate_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/ir/prune.h"
#include "layers/nn/linear.h"
#include "models/spec/model_spec.h"
#include "runtime/model/model.h"
#include "tests/support/fails_with.h"

namespace graft::finetune {
namespace {

using ::testing::ElementsAre;
using testing::fails_with;

/// As a model file holds it.
Graph classifier(const std::string& architecture, int side) {
  const Graph whole =
      build_model(parse_model_spec(architecture), {.classes = 10, .height = side, .width = side});
  return prune(whole, whole.output(kLogits), kLogits);
}

std::string last_name(const std::string& architecture, int side) {
  const Graph g = classifier(architecture, side);
  return g.node(last_feature(g, "base")).name;
}

std::vector<int> frozen(const std::vector<BranchPoint>& points) {
  std::vector<int> list;
  for (const BranchPoint& p : points) list.push_back(p.frozen);
  return list;
}

TEST(LastFeature, IsInFrontOfPoolingAndClassifier) {
  EXPECT_EQ(last_name("mobilenet_v1:dropout=0.5", 64), "conv_pw_13_bn.act");
  EXPECT_EQ(last_name("resnet8", 16), "layer3.0.act");
  const std::string squeeze = last_name("squeezenet1_1", 64);
  EXPECT_NE(squeeze.find("cat"), squeeze.npos) << squeeze << ": its classifier is a convolution";
}

TEST(LastFeature, OfAnExtractorIsItsOutput) {
  const Graph g = classifier("resnet8", 16);
  const Graph trunk = prune(g, g.find("layer2.0.act"), kFeatures);
  EXPECT_EQ(trunk.node(last_feature(trunk, "base")).name, "layer2.0.act");
}

TEST(LastFeature, RefusesABaseWithNothingToShare) {
  Graph g;
  const ValueId x = g.input("image", {1, 12});
  g.mark_output(kLogits, g.add("fc", std::make_shared<Linear>(12, 3), {x}));
  EXPECT_TRUE(fails_with(Errc::kModel, {"b.graft", "classifier"},
                         [&] { static_cast<void>(last_feature(g, "b.graft")); }));
}

TEST(NewHead, KeepsTheTrunkAndItsNames) {
  const Graph base = classifier("mobilenet_v1", 64);
  const Graph plain = with_new_head(base, "base", 7, 0);
  EXPECT_EQ(count_layers(plain), 83);
  EXPECT_EQ(plain.node(plain.output(kLogits)).shape, (Shape{1, 7}));
  EXPECT_EQ(plain.find("conv_preds"), kNoValue);
  const Graph hidden = with_new_head(base, "base", 7, 32);
  EXPECT_EQ(count_layers(hidden), 85);
  const Graph again = with_new_head(plain, "base", 4, 0);
  EXPECT_EQ(again.node(again.output(kLogits)).name, "finetune.logits_");
}

TEST(ParseBranchPoints, TakesWordsAndLists) {
  const Graph g = with_new_head(classifier("mobilenet_v1", 64), "base", 7, 0);
  const auto points = parse_branch_points("auto", g);
  EXPECT_EQ(points.size(), 15U);
  EXPECT_EQ(points.front().frozen, 0);
  EXPECT_EQ(points.back().frozen, 81);
  EXPECT_GE(parse_branch_points("all", g).size(), points.size());
  EXPECT_THAT(frozen(parse_branch_points("81,0,57,57", g)), ElementsAre(0, 57, 81));
  EXPECT_EQ(branch_point(g, 57), parse_branch_points("57", g)[0]);
  EXPECT_TRUE(fails_with(Errc::kUsage, {"auto, all", "deep"},
                         [&] { static_cast<void>(parse_branch_points("deep", g)); }));
}

TEST(ParseBranchPoints, NamesTheNeighboursOfWhatIsNone) {
  const Graph g = with_new_head(classifier("resnet8", 16), "base", 7, 0);
  EXPECT_TRUE(fails_with(Errc::kUsage, {"5 of", "nearest are 3 and 9"},
                         [&] { static_cast<void>(parse_branch_points("5", g)); }));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"-1", "nearest are 0 and 1"},
                         [&] { static_cast<void>(parse_branch_points("-1", g)); }));
}

TEST(TrainingGraph, FreezesBetweenStartAndBranchPoint) {
  const Graph g = with_new_head(classifier("resnet8", 16), "base", 7, 0);
  const auto points = parse_branch_points("auto", g);
  ASSERT_GE(points.size(), 4U);
  const Graph t = training_graph(g, points[1], points[3]);
  EXPECT_EQ(t.node(t.find("image")).shape, g.node(points[1].value).shape);
  bool any_frozen = false, any_free = false;
  for (const Node& n : t.nodes()) {
    if (n.layer == nullptr || n.layer->params().empty()) continue;
    (n.frozen ? any_frozen : any_free) = true;
  }
  EXPECT_TRUE(any_frozen && any_free);
  const Graph whole = training_graph(g, {}, {});
  EXPECT_EQ(whole.param_specs().size(), g.param_specs().size());
}

}  // namespace
}  // namespace graft::finetune
