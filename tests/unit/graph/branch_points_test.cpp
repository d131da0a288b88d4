// SPDX-License-Identifier: Apache-2.0
#include "graph/ir/branch_points.h"

#include <algorithm>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layers/nn/pointwise.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using testing::zoo_graph;

std::vector<int> frozen(const std::vector<BranchPoint>& points) {
  std::vector<int> list;
  for (const BranchPoint& p : points) list.push_back(p.frozen);
  return list;
}

std::vector<std::string> names(const Graph& g, const std::vector<BranchPoint>& points) {
  std::vector<std::string> list;
  for (const BranchPoint& p : points) list.push_back(g.node(p.value).name);
  return list;
}

TEST(BranchPoints, OfMobileNetAreThosePublished) {
  const std::vector<int> published = {3, 9, 15, 21, 27, 33, 39, 45, 51, 57, 63, 69, 75, 81};
  for (const char* model : {"mobilenet_v1", "mobilenet_v1:alpha=0.25"}) {
    const Graph g = zoo_graph(model, 224);
    EXPECT_EQ(frozen(branch_points(g)), published) << model;
    EXPECT_EQ(names(g, branch_points(g)).back(), "conv_pw_13_bn.act");
  }
  const Graph g = zoo_graph("mobilenet_v1", 224);
  const auto points = branch_points(g);
  EXPECT_EQ(points[0].elements, 401408);
  EXPECT_EQ(points[1].elements, 802816);
  EXPECT_EQ(points.back().elements, 50176);
}

TEST(BranchPoints, OfResNetAreTheOutputsOfItsBlocks) {
  const Graph g = zoo_graph("resnet50", 224);
  const auto list = names(g, branch_points(g));
  ASSERT_EQ(list.size(), 17U);
  EXPECT_EQ(list[0], "maxpool");
  EXPECT_EQ(list[1], "layer1.0.act");
  EXPECT_EQ(list[16], "layer4.2.act");
  EXPECT_THAT(names(zoo_graph("wrn-16-4", 32), branch_points(zoo_graph("wrn-16-4", 32))),
              Contains("block1.layer.0.add"));
}

TEST(BranchPoints, OfInceptionAreItsMixedOutputs) {
  const Graph g = zoo_graph("inception_v3", 299);
  const auto list = names(g, branch_points(g));
  EXPECT_GE(std::count_if(list.begin(), list.end(),
                          [](const std::string& n) { return n.find("Mixed") != n.npos; }),
            11);
}

TEST(BranchPoints, OfDenseNetAreItsTransitions) {
  const Graph g = zoo_graph("densenet121", 224);
  EXPECT_THAT(
      names(g, branch_points(g)),
      ElementsAre("features.pool0", "features.transition1.pool", "features.transition2.pool",
                  "features.transition3.pool", "features.norm5.act"));
}

TEST(BranchPoints, OfOthersAvoidExpandedMaps) {
  const Graph v2 = zoo_graph("mobilenet_v2", 224);
  const Graph squeeze = zoo_graph("squeezenet1_1", 224);
  EXPECT_EQ(branch_points(v2).size(), 19U);  // stem, 17 blocks, last convolution
  for (const auto& n : names(squeeze, branch_points(squeeze))) {
    EXPECT_TRUE(n.find("cat") == n.npos || n == "features.12.cat") << n;
  }
}

TEST(SingleValueCuts, AreWhereNothingElseIsRead) {
  const Graph g = zoo_graph("resnet8", 16);
  const auto list = names(g, single_value_cuts(g));
  EXPECT_THAT(list, Contains("layer1.0.act"));
  EXPECT_THAT(list, Contains("conv1"));
  EXPECT_THAT(list, Not(Contains("layer1.0.conv1")));
  EXPECT_THAT(list, Not(Contains("image")));
  EXPECT_EQ(single_value_cuts(g).front().frozen, 1);
}

TEST(SingleValueCuts, AnInputReadAgainBehindIsCrossingToo) {
  Graph g;
  const auto relu = std::make_shared<ActivationLayer>(Activation::kRelu);
  const ValueId x = g.input("x", {1, 4, 4, 2});
  const ValueId a = g.add("a", relu, {x});
  const ValueId b = g.add("b", std::make_shared<Add>(), {a, x});
  const ValueId c = g.add("c", relu, {b});
  g.mark_output("y", c);
  EXPECT_THAT(names(g, single_value_cuts(g)), ElementsAre("b"));
  EXPECT_EQ(single_value_cuts(g)[0], (BranchPoint{.value = b, .frozen = 2, .elements = 32}));
  EXPECT_EQ(count_layers(g), 3);
}

}  // namespace
}  // namespace graft
