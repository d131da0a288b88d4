// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/ir/cut.h"
#include "graph/plan/fuse.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Net;
using testing::same_bits;
using testing::zoo_graph;

TEST(SelectNode, CallsThePolicyWithTheLossesInTheSelectionForwardOnly) {
  Net net(zoo_graph("small_cnn", 8));
  std::vector<std::vector<float>> calls;
  net.executor.set_policy("sampler", [&](std::span<const float> losses) {
    calls.emplace_back(losses.begin(), losses.end());
    return RowSelection{{1, 3}, {0.5F, 2}};
  });
  net.forward(Phase::kTrain);
  net.forward(Phase::kEval);
  EXPECT_TRUE(calls.empty());
  net.forward(Phase::kSelect);
  ASSERT_EQ(calls.size(), 1u);
  const Tensor loss = net.output("loss");
  ASSERT_EQ(calls[0].size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(calls[0][i], static_cast<float>(loss.ptr<double>()[i]));
  }
  const RowSelection& chosen = net.executor.selection(net.executor.graph().find("select"));
  EXPECT_THAT(chosen.rows, ElementsAre(1, 3));
  EXPECT_THAT(chosen.weights, ElementsAre(0.5F, 2));
}

TEST(SelectNode, GetsOnlyTheRowsOfThisBatch) {
  Net net(zoo_graph("small_cnn", 8), {.dtype = DType::kF32});
  std::size_t seen = 0;
  net.executor.set_policy("sampler", [&](std::span<const float> losses) {
    seen = losses.size();
    return RowSelection{};
  });
  net.bind_rows(1, 2);
  net.forward(Phase::kSelect);
  EXPECT_EQ(seen, 2u);
}

TEST(SelectNode, ChoosesNothingWithoutAPolicy) {
  Net net(zoo_graph("small_cnn", 8));
  net.executor.set_policy("another slot", [](std::span<const float>) {
    ADD_FAILURE();
    return RowSelection{};
  });
  net.forward(Phase::kSelect);
  EXPECT_TRUE(net.executor.selection(net.executor.graph().find("select")).rows.empty());
}

constexpr const char* kEdge = "layer2.0.act";

Graph kept_graph(const Graph& g) {
  return testing::with_identity(g, kEdge, NodeKind::kKeep, "keep");
}

TEST(KeepNode, HoldsItsValueToTheEndOfTheRun) {
  const Graph g = zoo_graph("resnet8", 8);
  Net net(kept_graph(g));
  Net prefix(split(g, g.find(kEdge)).prefix, {.training = false});
  net.forward(Phase::kSelect);
  prefix.forward(Phase::kEval);
  const SavedSet kept = net.executor.kept(net.executor.graph().find("keep"));
  EXPECT_TRUE(same_bits(kept.value, prefix.output("cut")));
}

TEST(KeepNode, GatheredRowsContinueAsIfTheyHadBeenRunAlone) {
  const Graph g = zoo_graph("resnet8", 8);
  Net net(kept_graph(g));
  net.forward(Phase::kSelect);
  const Tensor logits = net.output("logits");
  const SavedSet kept = net.executor.kept(net.executor.graph().find("keep"));
  Net suffix(split(g, g.find(kEdge)).suffix, {.batch = 2, .training = false});
  const std::vector<std::int32_t> rows = {1, 3};
  kept.gather(net.ctx, net.executor.stamp(), rows, suffix.image);
  suffix.forward(Phase::kEval);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_TRUE(same_bits(suffix.output("logits").rows(static_cast<std::int64_t>(i), 1),
                          logits.rows(rows[i], 1)));
  }
}

/// Message of the Error(kInternal) of a gather.
std::string stale(Net& net, const SavedSet& kept) {
  Tensor out = Tensor::allocate(host_memory(), kept.value.shape(), kept.value.dtype());
  const std::vector<std::int32_t> rows = {0};
  try {
    kept.gather(net.ctx, net.executor.stamp(), rows, out);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kInternal);
    return e.what();
  }
  return "accepted";
}

TEST(KeepNode, RefusesRowsOfOtherParameters) {
  Net net(kept_graph(zoo_graph("resnet8", 8)));
  net.forward(Phase::kSelect);
  const SavedSet kept = net.executor.kept(net.executor.graph().find("keep"));
  EXPECT_EQ(stale(net, kept), "accepted");
  net.params.bump_version();
  EXPECT_THAT(stale(net, kept), HasSubstr("parameter version"));
}

TEST(KeepNode, RefusesRowsAfterAnotherForward) {
  Net net(kept_graph(zoo_graph("resnet8", 8)));
  net.forward(Phase::kSelect);
  const SavedSet kept = net.executor.kept(net.executor.graph().find("keep"));
  net.forward(Phase::kEval);
  EXPECT_THAT(stale(net, kept), HasSubstr("before the next forward"));
}

TEST(KeepNode, OnlyKeepNodesCanBeAsked) {
  Net net(kept_graph(zoo_graph("resnet8", 8)));
  net.forward(Phase::kEval);
  EXPECT_THROW((void)net.executor.kept(net.executor.graph().find("fc")), Error);
}

TEST(ShareNode, IsAnIdentity) {
  const Graph g = zoo_graph("resnet8", 8);
  Net plain(g), shared(testing::with_identity(g, kEdge, NodeKind::kShare, "share"));
  for (Net* net : {&plain, &shared}) {
    net->forward(Phase::kTrain);
    net->backward();
  }
  EXPECT_TRUE(same_bits(shared.output("logits"), plain.output("logits")));
  EXPECT_TRUE(same_bits(shared.params.grads(), plain.params.grads()));
}

}  // namespace
}  // namespace graft
