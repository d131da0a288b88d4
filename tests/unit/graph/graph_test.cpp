// SPDX-License-Identifier: Apache-2.0
#include "graph/ir/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layers/loss/cross_entropy.h"
#include "layers/nn/conv2d.h"
#include "layers/nn/linear.h"
#include "layers/nn/pointwise.h"
#include "layers/nn/pool.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

LayerPtr conv(std::int64_t in, std::int64_t out) {
  return std::make_shared<Conv2d>(
      Conv2dOptions{.in_channels = in, .out_channels = out, .kernel = 3, .pad = 1});
}

/// The message of the Error(kInvalidArgument) that `call` throws.
template <class F>
std::string refusal(F&& call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kInvalidArgument);
    return e.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

TEST(Graph, KnowsShapesWhileItIsBuilt) {
  Graph g;
  const ValueId x = g.input("image", {1, 8, 6, 3});
  const ValueId y = g.add("conv", conv(3, 5), {x});
  EXPECT_EQ(g.node(y).shape, (Shape{1, 8, 6, 5}));
  EXPECT_EQ(g.shape(y, 7), (Shape{7, 8, 6, 5}));
  EXPECT_EQ(g.find("conv"), y);
  EXPECT_EQ(g.find("nothing"), kNoValue);
  EXPECT_EQ(g.flops(), 2 * 8 * 6 * 5 * 9 * 3);
}

TEST(Graph, RefusesALayerThatDoesNotFitAndNamesTheNode) {
  Graph g;
  const ValueId x = g.input("image", {1, 8, 8, 3});
  EXPECT_THAT(refusal([&] { g.add("stem.conv", conv(4, 5), {x}); }),
              AllOf(HasSubstr("node stem.conv"), HasSubstr("(1, 8, 8, 3)")));
}

TEST(Graph, RefusesTwoNodesOfOneName) {
  Graph g;
  const ValueId x = g.input("image", {1, 8, 8, 3});
  g.add("conv", conv(3, 5), {x});
  EXPECT_THAT(refusal([&] { g.add("conv", conv(3, 5), {x}); }), HasSubstr("conv"));
}

TEST(Graph, RefusesAValueThatDoesNotExist) {
  Graph g;
  EXPECT_THAT(refusal([&] { g.add("conv", conv(3, 5), {4}); }), HasSubstr("no value 4"));
}

TEST(Graph, RefusesAnInputOfMoreThanOneExample) {
  Graph g;
  EXPECT_THAT(refusal([&] { g.input("image", {2, 8, 8, 3}); }), HasSubstr("image"));
}

TEST(Graph, RefusesSelectOnSomethingElseThanLosses) {
  Graph g;
  const ValueId x = g.input("image", {1, 8, 8, 3});
  EXPECT_THAT(refusal([&] { g.select("select", x, "sampler"); }), HasSubstr("one loss an example"));
}

TEST(Graph, NamesTheOutputsThereAreWhenAskedForAnother) {
  Graph g;
  const ValueId x = g.input("image", {1, 8, 8, 3});
  g.mark_output("features", x);
  EXPECT_THAT(refusal([&] { (void)g.output("logits"); }), HasSubstr("features"));
  EXPECT_THAT(refusal([&] { g.mark_output("features", x); }), HasSubstr("two outputs"));
}

TEST(Graph, FreezesExactlyWhatAValueDependsOn) {
  Graph g;
  const ValueId x = g.input("image", {1, 8, 8, 3});
  const ValueId a = g.add("a", conv(3, 4), {x});
  const ValueId b = g.add("b", conv(4, 4), {a});
  const ValueId side = g.add("side", conv(3, 4), {x});
  const ValueId sum = g.add("sum", std::make_shared<Add>(), {b, side});
  g.freeze(b);
  EXPECT_TRUE(g.node(a).frozen);
  EXPECT_TRUE(g.node(b).frozen);
  EXPECT_FALSE(g.node(side).frozen);
  EXPECT_FALSE(g.node(sum).frozen);
}

TEST(Graph, DeclaresParametersInNodeOrder) {
  Graph g;
  const ValueId x = g.input("image", {1, 4, 4, 3});
  const ValueId p =
      g.add("pool", std::make_shared<GlobalAvgPool>(), {g.add("conv", conv(3, 4), {x})});
  g.add("fc", std::make_shared<Linear>(4, 2), {p});
  std::vector<std::string> names;
  for (const auto& [name, spec] : g.param_specs()) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("conv.weight", "fc.weight", "fc.bias"));
}

TEST(Graph, CopiedNodesKeepTheKeyOfTheirDropout) {
  Graph g;
  const ValueId x = g.input("image", {1, 4, 4, 3});
  const ValueId a = g.add("a", conv(3, 3), {x});
  const ValueId d = g.add("drop", std::make_shared<Dropout>(0.5), {a});
  Graph other;
  const ValueId y = other.input("cut", {1, 4, 4, 3});
  const ValueId copy = other.append(g.node(d), {y});
  EXPECT_EQ(other.node(copy).ordinal, g.node(d).ordinal);
  const ValueId next = other.add("drop2", std::make_shared<Dropout>(0.5), {copy});
  EXPECT_GT(other.node(next).ordinal, other.node(copy).ordinal);
}

TEST(Graph, ListsTheReadersOfEachValue) {
  Graph g;
  const ValueId x = g.input("image", {1, 4, 4, 3});
  const ValueId a = g.add("a", conv(3, 3), {x});
  const ValueId b = g.add("b", std::make_shared<Add>(), {a, x});
  EXPECT_THAT(g.consumers()[static_cast<std::size_t>(x)], ElementsAre(a, b));
  EXPECT_THAT(g.consumers()[static_cast<std::size_t>(b)], ElementsAre());
}

}  // namespace
}  // namespace graft
