// SPDX-License-Identifier: Apache-2.0
#include "graph/ir/cut.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layers/nn/pointwise.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::zoo_graph;

std::vector<std::string> cut_names(const Graph& g) {
  std::vector<std::string> names;
  for (const ValueId v : cut_points(g)) names.push_back(g.node(v).name);
  return names;
}

std::vector<std::string> input_names(const Graph& g) {
  std::vector<std::string> names;
  for (const Node& n : g.nodes()) {
    if (n.kind == NodeKind::kInput) names.push_back(n.name);
  }
  return names;
}

TEST(CutPoints, AreWhereOneValueCarriesEverything) {
  const auto names = cut_names(zoo_graph("resnet8", 16));
  EXPECT_THAT(names, Contains("layer1.0.act"));
  EXPECT_THAT(names, Contains("bn1.act"));
  EXPECT_THAT(names, Contains("fc"));
  EXPECT_THAT(names, Not(Contains("layer1.0.conv1")));  // the shortcut passes it by
  EXPECT_THAT(names, Not(Contains("image")));
  EXPECT_THAT(names, Not(Contains("loss")));
}

TEST(Split, RefusesAValueThatIsPassedByAndNamesTheOther) {
  const Graph g = zoo_graph("resnet8", 16);
  try {
    (void)split(g, g.find("layer2.0.conv1"));
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kInvalidArgument);
    EXPECT_THAT(e.what(), AllOf(HasSubstr("layer2.0.conv1"), HasSubstr("layer1.0.act")));
  }
}

TEST(Split, PartsHaveEveryParameterOnceAndTheirInputs) {
  const Graph g = zoo_graph("resnet8", 16);
  const Split s = split(g, g.find("layer2.0.act"));
  EXPECT_EQ(s.prefix.param_specs().size() + s.suffix.param_specs().size(), g.param_specs().size());
  EXPECT_THAT(input_names(s.prefix), ::testing::ElementsAre("image"));
  EXPECT_THAT(input_names(s.suffix), ::testing::UnorderedElementsAre("cut", "label"));
  EXPECT_NE(s.prefix.output("cut"), kNoValue);
  EXPECT_NE(s.suffix.output("loss"), kNoValue);
  EXPECT_NE(s.suffix.find("select"), kNoValue);
}

TEST(Split, SuffixThatReadsAnInputGetsIt) {
  Graph g;
  const ValueId a = g.input("a", {1, 3}), b = g.input("b", {1, 3});
  const auto sum = std::make_shared<Add>();
  const ValueId first = g.add("first", sum, {a, b});
  g.mark_output("y", g.add("second", sum, {first, b}));
  EXPECT_THAT(input_names(split(g, first).suffix), ::testing::UnorderedElementsAre("cut", "b"));
}

}  // namespace
}  // namespace graft
