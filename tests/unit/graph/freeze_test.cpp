// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "graph/ir/cut.h"
#include "graph/plan/fuse.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using testing::difference;
using testing::Net;
using testing::same_bits;
using testing::zoo_graph;

constexpr const char* kEdge = "layer2.0.act";

Graph frozen(Graph g) {
  g.freeze(g.find(kEdge));
  return g;
}

/// Parameters of the part in front of the edge.
std::vector<std::string> frozen_params(const Graph& g) {
  std::vector<std::string> names;
  for (const auto& [name, spec] : split(g, g.find(kEdge)).prefix.param_specs()) {
    names.push_back(name);
  }
  return names;
}

TEST(Freeze, WritesNoGradientAndMovesNoStatistics) {
  const Graph g = zoo_graph("resnet8", 8);
  Net net(fuse(frozen(g)));
  testing::poison(net.params.grads());
  const Tensor before = net.params.buffers().clone(host_memory());
  net.forward(Phase::kTrain);
  net.backward();
  Net untouched(fuse(frozen(g)));
  for (const std::string& name : frozen_params(g)) {
    EXPECT_TRUE(same_bits(net.value(name), untouched.value(name))) << name;
    const Tensor grad = net.grad(name);
    for (std::int64_t i = 0; i < grad.numel() && !grad.empty(); ++i) {
      ASSERT_TRUE(std::isnan(grad.ptr<double>()[i])) << name;
    }
  }
  EXPECT_FALSE(same_bits(net.params.buffers(), before));  // the rest did move
  for (const char* name : {"layer3.0.conv1.weight", "fc.bias"}) {
    EXPECT_FALSE(std::isnan(net.grad(name).ptr<double>()[0])) << name;
  }
}

TEST(Freeze, RemainingGradientsAreUnchangedWhereNormsDoNotCoupleRows) {
  const Graph g = zoo_graph("resnet8", 8, Norm::kGroup);
  Net whole(fuse(g)), part(fuse(frozen(g)));
  for (Net* net : {&whole, &part}) {
    net->forward(Phase::kTrain);
    net->backward();
  }
  EXPECT_TRUE(same_bits(part.output("logits"), whole.output("logits")));
  for (const char* name : {"layer3.0.conv1.weight", "layer3.0.bn2.weight", "fc.weight"}) {
    EXPECT_LE(difference(part.grad(name), whole.grad(name)), 1e-13) << name;
  }
}

TEST(Freeze, EqualsTrainingTheSuffixOnTheStoredPrefixOutput) {
  const Graph g = zoo_graph("resnet8", 8);
  const Split s = split(g, g.find(kEdge));
  Net whole(fuse(frozen(g)));
  Net prefix(fuse(s.prefix), {.training = false});
  prefix.forward(Phase::kEval);
  Net suffix(fuse(s.suffix));
  suffix.image = prefix.output("cut");
  suffix.bind_rows(0, 4);
  for (Net* net : {&whole, &suffix}) {
    net->forward(Phase::kTrain);
    net->backward();
  }
  EXPECT_TRUE(same_bits(suffix.output("logits"), whole.output("logits")));
  for (const auto& e : suffix.params.entries()) {
    EXPECT_TRUE(same_bits(e.value, whole.value(e.name))) << e.name;
    if (!e.grad.empty()) {
      EXPECT_LE(difference(e.grad, whole.grad(e.name)), 1e-13) << e.name;
    }
  }
}

TEST(Freeze, TurnsDropoutOffInTheFrozenPart) {
  Graph g = zoo_graph("wrn-10-1:dropout=0.5", 8, Norm::kGroup);
  const ValueId edge = g.find("block2.layer.0.add");
  g.mark_output("edge", edge);
  Net noisy(g);
  g.freeze(edge);
  Net still(g);
  noisy.forward(Phase::kTrain);
  still.forward(Phase::kTrain);
  EXPECT_GT(difference(noisy.output("edge"), still.output("edge")), 1e-3);
  noisy.forward(Phase::kEval);
  EXPECT_TRUE(same_bits(noisy.output("edge"), still.output("edge")));
}

}  // namespace
}  // namespace graft
