// SPDX-License-Identifier: Apache-2.0
// Whole networks through the executor against central differences, in f64.
#include <gtest/gtest.h>

#include "graph/plan/fuse.h"
#include "models/zoo/net_builder.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using testing::Net;
using testing::network_gradient_gap;
using testing::zoo_graph;

constexpr double kTolerance = 1e-6;  // seen: 3e-7 and less
constexpr int kProbes = 3;
constexpr std::int64_t kBatch = 6;

struct GradientCase {
  const char* model;
  Norm norm;
  std::int64_t side;
};

class NetworkGradient : public ::testing::TestWithParam<GradientCase> {};

TEST_P(NetworkGradient, MatchesFiniteDifferences) {
  Net net(fuse(zoo_graph(GetParam().model, GetParam().side, GetParam().norm, 3)),
          {.batch = kBatch});
  const double gap = network_gradient_gap(net, kProbes);
  RecordProperty("gap", std::to_string(gap * 1e9) + "e-9");
  EXPECT_LT(gap, kTolerance);
}

TEST_P(NetworkGradient, MatchesFiniteDifferencesUnfused) {
  Net net(zoo_graph(GetParam().model, GetParam().side, GetParam().norm, 3), {.batch = kBatch});
  EXPECT_LT(network_gradient_gap(net, 1), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, NetworkGradient,
    ::testing::Values(GradientCase{"resnet8", Norm::kBatch, 8},
                      GradientCase{"resnet8", Norm::kGroup, 8},
                      GradientCase{"resnet8:shortcut=B", Norm::kBatch, 8},
                      GradientCase{"wrn-10-1:dropout=0.3", Norm::kBatch, 8},
                      GradientCase{"mobilenet_v1:alpha=0.125", Norm::kBatch, 16},
                      GradientCase{"mobilenet_v2:width=0.0625", Norm::kBatch, 8},
                      GradientCase{"densenet-bc-10-4", Norm::kBatch, 8},
                      GradientCase{"densenet-bc-10-4:dropout=0.2", Norm::kGroup, 8},
                      GradientCase{"squeezenet1_1:dropout=0.2", Norm::kBatch, 28},
                      GradientCase{"small_cnn", Norm::kGroup, 8}),
    [](const auto& test) { return testing::test_name(test.param.model, test.param.norm); });

/// A value read three times: by two convolutions and a sum.
Graph three_readers(bool norm_makes_it) {
  zoo::NetBuilder net({.classes = 3, .height = 6, .width = 6});
  ValueId x = net.conv("stem", net.image(), {.out = 4});
  x = norm_makes_it ? net.norm_act("stem_bn", x) : net.activation("stem_act", x);
  const ValueId a = net.norm_act("a_bn", net.conv("a", x, {.out = 4}));
  const ValueId b = net.norm("b_bn", net.conv("b", x, {.out = 4, .kernel = 1}));
  const ValueId y = net.add("sum2", net.add("sum1", a, x), b);
  return std::move(net).finish(net.classifier("fc", net.global_pool("pool", y)));
}

TEST(NetworkGradientFork, AddsThreeContributions) {
  for (const bool norm : {true, false}) {
    for (const bool fused : {true, false}) {
      const Graph g = three_readers(norm);
      Net net(fused ? fuse(g) : g, {.batch = kBatch});
      EXPECT_LT(network_gradient_gap(net, kProbes), kTolerance) << norm << fused;
    }
  }
}

TEST(NetworkGradientFork, AddsAValueToItself) {
  zoo::NetBuilder net({.classes = 3, .height = 6, .width = 6});
  const ValueId x = net.norm_act("bn", net.conv("conv", net.image(), {.out = 4}));
  const ValueId y = net.norm_act("bn2", net.add("twice", x, x));
  Net run(fuse(std::move(net).finish(net.classifier("fc", net.global_pool("pool", y)))),
          {.batch = kBatch});
  EXPECT_LT(network_gradient_gap(run, kProbes), kTolerance);
}

TEST(NetworkGradientFork, PassesIdentitiesOnTheWay) {
  using testing::with_identity;
  for (const char* after : {"stem_bn.act", "sum1", "a_bn"}) {
    Graph g = with_identity(three_readers(true), after, NodeKind::kKeep, "kept");
    g = with_identity(g, "kept", NodeKind::kShare, "shared");
    Net net(fuse(g), {.batch = kBatch});
    EXPECT_LT(network_gradient_gap(net, kProbes), kTolerance) << after;
  }
}

TEST(NetworkGradientFork, FrozenStemGivesTheGradientOfTheRest) {
  Graph g = three_readers(true);
  g.freeze(g.find("a_bn.act"));
  Net net(fuse(g), {.batch = kBatch});
  net.forward(Phase::kTrain);
  net.backward();
  constexpr double kStep = 1e-6;
  for (const char* name : {"b.weight", "b_bn.bias", "fc.weight"}) {
    const Tensor grad = net.grad(name).clone(host_memory());
    double* w = net.value(name).ptr<double>();
    const auto objective = [&](double shift) {
      const double before = w[0];
      w[0] += shift;
      net.params.bump_version();
      net.forward(Phase::kTrain);
      w[0] = before;
      double sum = 0;
      const Tensor loss = net.output("loss");
      for (std::int64_t i = 0; i < loss.numel(); ++i) {
        sum += loss.ptr<double>()[i] * net.weight.ptr<double>()[i];
      }
      return sum;
    };
    const double numeric = (objective(kStep) - objective(-kStep)) / (2 * kStep);
    EXPECT_NEAR(grad.ptr<double>()[0], numeric, 1e-7) << name;
  }
}

}  // namespace
}  // namespace graft
