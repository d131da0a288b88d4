// SPDX-License-Identifier: Apache-2.0
#include "graph/ir/branch_points.h"

#include <algorithm>

namespace graft {
namespace {

constexpr int kFeatureMapRank = 4;

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

/// A layer of one input that transforms each channel for itself: all its parameters are vectors.
bool is_filterless(const Node& node) {
  if (node.kind != NodeKind::kLayer || node.inputs.size() != 1) return false;
  const auto params = node.layer->params();
  return std::all_of(params.begin(), params.end(),
                     [](const ParamSpec& p) { return p.shape.rank() <= 1; });
}

/// A convolution that sees one channel at a time: the first half of a separable one.
bool is_depthwise(const Graph& graph, const Node& node) {
  if (node.kind != NodeKind::kLayer || node.inputs.size() != 1) return false;
  const auto params = node.layer->params();
  const Shape& x = graph.node(node.inputs[0]).shape;
  return !params.empty() && params[0].order == ParamOrder::kFilterOhwi &&
         params[0].shape[kFeatureMapRank - 1] == 1 && x[kFeatureMapRank - 1] > 1;
}

/// The node that starts the chain of filterless layers which ends with `id`.
ValueId chain_start(const Graph& graph, ValueId id) {
  while (is_filterless(graph.node(id))) id = graph.node(id).inputs[0];
  return id;
}

/// Whether `start` joins a value of `cuts` with others, whole.
bool carries_a_cut(const Graph& graph, ValueId start, const std::vector<BranchPoint>& cuts) {
  const Node& node = graph.node(start);
  if (node.layer == nullptr || node.layer->kind() != "Concat") return false;
  return std::any_of(cuts.begin(), cuts.end(), [&](const BranchPoint& p) {
    return std::find(node.inputs.begin(), node.inputs.end(), p.value) != node.inputs.end();
  });
}

}  // namespace

int count_layers(const Graph& graph) {
  return static_cast<int>(std::count_if(graph.nodes().begin(), graph.nodes().end(),
                                        [](const Node& n) { return n.kind == NodeKind::kLayer; }));
}

std::vector<BranchPoint> single_value_cuts(const Graph& graph) {
  const std::size_t n = graph.nodes().size();
  const auto readers = graph.consumers();
  std::vector<std::size_t> retired(n, 0);  // values whose last reader each node is
  std::vector<std::size_t> entered(n, 0);  // inputs whose first reader each node is
  std::vector<BranchPoint> cuts;
  for (std::size_t i = 0; i < n; ++i) {
    if (readers[i].empty()) continue;
    ++retired[at(readers[i].back())];
    if (graph.nodes()[i].kind == NodeKind::kInput) ++entered[at(readers[i].front())];
  }
  std::size_t alive = 0;
  int layers = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const Node& node = graph.nodes()[i];
    alive += entered[i] - retired[i];
    if (node.kind == NodeKind::kInput) continue;
    if (node.kind == NodeKind::kLayer) ++layers;
    if (alive == 0 && !readers[i].empty()) {
      cuts.push_back({static_cast<ValueId>(i), layers, node.shape.numel()});
    }
    if (!readers[i].empty()) ++alive;
  }
  return cuts;
}

std::vector<BranchPoint> block_ends(const Graph& graph) {
  const auto readers = graph.consumers();
  std::vector<BranchPoint> ends;
  for (const BranchPoint& p : single_value_cuts(graph)) {
    if (graph.node(p.value).shape.rank() != kFeatureMapRank) continue;
    const auto& next = readers[at(p.value)];
    const bool goes_on = next.size() == 1 && is_filterless(graph.node(next[0])) &&
                         graph.node(next[0]).shape.rank() == kFeatureMapRank;
    const Node& start = graph.node(chain_start(graph, p.value));
    if (!goes_on && start.kind == NodeKind::kLayer && !is_depthwise(graph, start)) {
      ends.push_back(p);
    }
  }
  return ends;
}

std::vector<BranchPoint> branch_points(const Graph& graph) {
  constexpr std::int64_t kMuchLarger = 2;
  const auto cuts = single_value_cuts(graph);
  const auto ends = block_ends(graph);
  std::vector<BranchPoint> chosen;
  for (const BranchPoint& p : ends) {
    const bool last = p == ends.back();
    if (last || !carries_a_cut(graph, chain_start(graph, p.value), cuts)) chosen.push_back(p);
  }
  std::vector<BranchPoint> points;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const bool inner = i > 0 && i + 1 < chosen.size();
    const std::int64_t limit =
        inner ? kMuchLarger * std::max(chosen[i - 1].elements, chosen[i + 1].elements) : 0;
    if (!inner || chosen[i].elements <= limit) points.push_back(chosen[i]);
  }
  return points;
}

}  // namespace graft
