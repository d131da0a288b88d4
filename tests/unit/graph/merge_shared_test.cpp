// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/ir/cut.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using testing::Net;
using testing::same_bits;
using testing::zoo_graph;

const testing::NetOptions kInference = {.dtype = DType::kF32, .training = false};

/// Networks of one architecture; the weights of nodes up to `shared[i]` of network i are the
/// first's.
class Family {
 public:
  Family(const std::string& model, const std::vector<std::string>& shared) {
    const Graph g = zoo_graph(model, 8);
    for (std::size_t i = 0; i < shared.size(); ++i) {
      auto o = kInference;
      o.seed = 1 + i;
      auto& net = *nets.emplace_back(std::make_unique<Net>(g, o));
      if (!shared[i].empty()) take_prefix(net, split(g, g.find(shared[i])).prefix);
      graphs.push_back(g);
      names.push_back(std::string(1, static_cast<char>('a' + i)));
      net.image = nets[0]->image;
      net.label = nets[0]->label;
      net.bind_rows(0, 4);
      net.forward(Phase::kEval);
    }
  }

  [[nodiscard]] Graph merge() const {
    return merge_shared(graphs, names, [this](std::size_t g, const Node& n) { return hash(g, n); });
  }

  /// The merged graph with everybody's weights.
  [[nodiscard]] std::unique_ptr<Net> run(const Graph& merged) const {
    auto net = std::make_unique<Net>(merged, kInference);
    for (const auto& e : net->params.entries()) {
      const bool own = e.name.size() > 1 && e.name[1] == '/';
      const std::size_t g = own ? static_cast<std::size_t>(e.name[0] - 'a') : 0;
      const Tensor from = nets[g]->value(own ? e.name.substr(2) : e.name);
      std::memcpy(e.value.data(), from.data(), from.bytes());
    }
    net->params.bump_version();
    net->image = nets[0]->image;
    net->label = nets[0]->label;
    net->bind_rows(0, 4);
    net->forward(Phase::kEval);
    return net;
  }

  std::vector<std::unique_ptr<Net>> nets;
  std::vector<Graph> graphs;
  std::vector<std::string> names;

 private:
  void take_prefix(Net& net, const Graph& prefix) const {
    for (const auto& [name, spec] : prefix.param_specs()) {
      const Tensor from = nets[0]->value(name);
      std::memcpy(net.value(name).data(), from.data(), from.bytes());
    }
    net.params.bump_version();
  }
  [[nodiscard]] std::uint64_t hash(std::size_t g, const Node& n) const {
    std::uint64_t h = 14695981039346656037ull;
    for (const ParamSpec& p : n.layer->params()) {
      const Tensor t = nets[g]->value(n.name + "." + p.name);
      const auto* bytes = static_cast<const unsigned char*>(t.data());
      for (std::size_t i = 0; i < t.bytes(); ++i) h = (h ^ bytes[i]) * 1099511628211ull;
    }
    return h;
  }
};

std::vector<std::string> shares(const Graph& g) {
  std::vector<std::string> out;
  for (const Node& n : g.nodes()) {
    if (n.kind == NodeKind::kShare) out.push_back(n.name + " [" + n.label + "]");
  }
  return out;
}

void expect_same_outputs(const Family& family, const Graph& merged) {
  const auto net = family.run(merged);
  for (std::size_t i = 0; i < family.nets.size(); ++i) {
    for (const char* what : {"logits", "loss"}) {
      EXPECT_TRUE(
          same_bits(net->output(family.names[i] + "/" + what), family.nets[i]->output(what)))
          << family.names[i] << " " << what;
    }
  }
}

TEST(MergeShared, RunsACommonStemOnceAndChangesNoBit) {
  const Family family("resnet8:shortcut=B", {"", "layer2.0.act"});
  const Graph merged = family.merge();
  EXPECT_THAT(shares(merged), ::testing::ElementsAre("layer2.0.act.share [a, b]"));
  EXPECT_NE(merged.find("layer1.0.conv1"), kNoValue);
  EXPECT_EQ(merged.find("b/layer1.0.conv1"), kNoValue);
  EXPECT_NE(merged.find("a/layer3.0.conv1"), kNoValue);
  EXPECT_NE(merged.find("b/layer3.0.conv1"), kNoValue);
  expect_same_outputs(family, merged);
}

TEST(MergeShared, NestsStemsOfDifferentDepth) {
  const Family family("resnet8:shortcut=B", {"", "layer2.0.act", "layer1.0.act"});
  const Graph merged = family.merge();
  EXPECT_THAT(shares(merged),
              ::testing::ElementsAre("layer1.0.act.share [a, b, c]", "layer2.0.act.share [a, b]"));
  expect_same_outputs(family, merged);
}

TEST(MergeShared, SharesWhatFollowsTheStemWithoutWeightsToo) {
  const Family family("resnet8", {"", "layer2.0.act"});  // the next shortcut has no parameters
  const Graph merged = family.merge();
  EXPECT_THAT(shares(merged), ::testing::ElementsAre("layer2.0.act.share [a, b]",
                                                     "layer3.0.downsample.share [a, b]"));
  expect_same_outputs(family, merged);
}

TEST(MergeShared, DifferentWeightsDoNotMerge) {
  const Family family("resnet8", {"", ""});
  const Graph merged = family.merge();
  EXPECT_TRUE(shares(merged).empty());
  EXPECT_EQ(merged.nodes().size(), 2 * family.graphs[0].nodes().size() - 2);  // image and label
  expect_same_outputs(family, merged);
}

TEST(MergeShared, OneBitOfOneWeightSeparates) {
  Family family("small_cnn", {"", "fc"});
  EXPECT_TRUE(shares(family.merge()).empty());  // wholly equal: nothing branches
  const Tensor t = family.nets[1]->value("conv2.weight");
  t.ptr<float>()[5] = std::nextafter(t.ptr<float>()[5], 1e9F);
  EXPECT_THAT(shares(family.merge()), ::testing::ElementsAre("pool1.share [a, b]"));
}

TEST(MergeShared, WhollyEqualGraphsBecomeOneWithBothOutputs) {
  const Family family("small_cnn", {"", "fc"});
  const Graph merged = family.merge();
  EXPECT_EQ(merged.nodes().size(), family.graphs[0].nodes().size());
  expect_same_outputs(family, merged);
}

TEST(MergeShared, PolicySlotsStaySeparate) {
  Family family("small_cnn", {"", "fc"});
  Graph& g = family.graphs[1];
  g.select("select2", g.output("loss"), "other");
  const Graph merged = family.merge();
  EXPECT_NE(merged.find("b/select2"), kNoValue);
}

TEST(MergeShared, WantsOneNameAGraph) {
  const Family family("small_cnn", {"", "fc"});
  const std::vector<std::string> one = {"a"};
  EXPECT_THROW((void)merge_shared(family.graphs, one, [](std::size_t, const Node&) { return 0u; }),
               Error);
}

}  // namespace
}  // namespace graft
