// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/fuse.h"

#include <gtest/gtest.h>

#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using testing::count_of;
using testing::difference;
using testing::Net;
using testing::zoo_graph;

struct FuseCase {
  const char* model;
  Norm norm;
};

class FuseOf : public ::testing::TestWithParam<FuseCase> {};

TEST_P(FuseOf, SameOutputsAndGradientsAsUnfused) {
  const Graph plain = zoo_graph(GetParam().model, 8, GetParam().norm);
  Net a(plain), b(fuse(plain));
  for (Net* net : {&a, &b}) {
    net->forward(Phase::kTrain);
    net->backward();
  }
  EXPECT_LT(b.executor.graph().nodes().size(), plain.nodes().size());
  EXPECT_LE(difference(b.output("logits"), a.output("logits")), 1e-12);
  EXPECT_LE(difference(b.output("loss"), a.output("loss")), 1e-12);
  for (const auto& e : a.params.entries()) {
    if (!e.grad.empty()) {
      EXPECT_LE(difference(b.grad(e.name), e.grad), 1e-12) << e.name;
    }
    EXPECT_LE(difference(b.value(e.name), e.value), 1e-12) << e.name;  // running statistics
  }
  for (Net* net : {&a, &b}) net->forward(Phase::kEval);
  EXPECT_LE(difference(b.output("logits"), a.output("logits")), 1e-12);
}

TEST_P(FuseOf, KeepsTheNamesOfAllParameters) {
  const Graph plain = zoo_graph(GetParam().model, 8, GetParam().norm);
  const ParamStore* stores[2];
  Net a(plain), b(fuse(plain));
  stores[0] = &a.params;
  stores[1] = &b.params;
  EXPECT_EQ(stores[0]->size(), stores[1]->size());
  for (const auto& e : a.params.entries()) EXPECT_GE(b.params.find(e.name), 0) << e.name;
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, FuseOf,
    ::testing::Values(FuseCase{"resnet8", Norm::kBatch}, FuseCase{"resnet8", Norm::kGroup},
                      FuseCase{"resnet8:shortcut=B", Norm::kBatch},
                      FuseCase{"wrn-10-1:dropout=0.3", Norm::kBatch},
                      FuseCase{"mobilenet_v2:width=0.25,dropout=0.2", Norm::kBatch},
                      FuseCase{"densenet-bc-10-4", Norm::kGroup}),
    [](const auto& test) { return testing::test_name(test.param.model, test.param.norm); });

TEST(Fuse, LeavesNoSeparateActivationOrSumInAResNet) {
  for (const char* model : {"resnet20", "resnet18", "resnet50"}) {
    const Graph g = fuse(zoo_graph(model, 32));
    EXPECT_EQ(count_of(g, "Activation"), 0u) << model;
    EXPECT_EQ(count_of(g, "Add"), 0u) << model;
  }
}

TEST(Fuse, KeepsASumThatIsReadTwice) {
  // Pre-activation networks read the sum as the next shortcut too; no norm precedes it either.
  const Graph g = fuse(zoo_graph("wrn-16-1", 32));
  EXPECT_EQ(count_of(g, "Add"), 6u);
  EXPECT_EQ(count_of(g, "Activation"), 0u);
}

TEST(Fuse, LeavesAnOutputAlone) {
  Graph g = zoo_graph("resnet8", 16);
  g.mark_output("before", g.find("layer1.0.bn1"));
  const Graph fused = fuse(g);
  EXPECT_NE(fused.find("layer1.0.bn1.act"), kNoValue);
  EXPECT_EQ(fused.node(fused.output("before")).name, "layer1.0.bn1");
}

TEST(Fuse, DoesNotReachAcrossTheEdgeOfAFrozenStem) {
  Graph g = zoo_graph("resnet8", 16);
  g.freeze(g.find("layer1.0.bn1"));
  EXPECT_NE(fuse(g).find("layer1.0.bn1.act"), kNoValue);
}

}  // namespace
}  // namespace graft
