// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/fuse.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace graft {
namespace {

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

/// One rewrite: `absorbed` disappears, `into` gets `layer` and `inputs` and moves to its place.
struct Rewrite {
  ValueId into, absorbed;
  LayerPtr layer;
  std::vector<ValueId> inputs;
};

bool is_output(const Graph& graph, ValueId v) {
  return std::any_of(graph.outputs().begin(), graph.outputs().end(),
                     [v](const Graph::Output& o) { return o.value == v; });
}

/// Whether `reader` is the only one that sees `v`, and the two stand or fall together.
bool only_reader(const Graph& graph, const std::vector<std::vector<ValueId>>& readers, ValueId v,
                 ValueId reader) {
  const Node& n = graph.node(v);
  return n.kind == NodeKind::kLayer && readers[at(v)].size() == 1 && !is_output(graph, v) &&
         n.frozen == graph.node(reader).frozen;
}

std::optional<Rewrite> absorb_sum(const Graph& graph,
                                  const std::vector<std::vector<ValueId>>& readers, ValueId sum) {
  const Node& n = graph.node(sum);
  if (n.inputs[0] == n.inputs[1]) return std::nullopt;
  // Either operand may absorb the sum, since it moves to the sum's place. The one made last is
  // asked first: its own input then lives no longer than before.
  const auto [first, last] = std::minmax(n.inputs[0], n.inputs[1]);
  for (const auto& [into, other] : {std::pair(last, first), std::pair(first, last)}) {
    if (!only_reader(graph, readers, into, sum)) continue;
    LayerPtr layer = graph.node(into).layer->with_residual();
    if (!layer) continue;
    auto inputs = graph.node(into).inputs;
    inputs.push_back(other);
    return Rewrite{into, sum, layer, inputs};
  }
  return std::nullopt;
}

std::optional<Rewrite> absorb_activation(const Graph& graph,
                                         const std::vector<std::vector<ValueId>>& readers,
                                         ValueId act) {
  const Node& n = graph.node(act);
  const ValueId into = n.inputs[0];
  if (!only_reader(graph, readers, into, act)) return std::nullopt;
  LayerPtr layer = graph.node(into).layer->with_activation(n.layer->as_activation());
  if (!layer) return std::nullopt;
  return Rewrite{into, act, layer, graph.node(into).inputs};
}

std::optional<Rewrite> find_rewrite(const Graph& graph, ValueId from) {
  const auto readers = graph.consumers();
  for (auto id = from; id < static_cast<ValueId>(graph.nodes().size()); ++id) {
    const Node& n = graph.node(id);
    if (n.kind != NodeKind::kLayer) continue;
    std::optional<Rewrite> r;
    if (n.layer->is_sum()) r = absorb_sum(graph, readers, id);
    if (n.layer->as_activation() != Activation::kNone) r = absorb_activation(graph, readers, id);
    if (r) return r;
  }
  return std::nullopt;
}

Graph apply(const Graph& graph, const Rewrite& r) {
  Graph out;
  std::vector<ValueId> map(graph.nodes().size(), kNoValue);
  const auto mapped = [&](const std::vector<ValueId>& inputs) {
    std::vector<ValueId> v;
    for (const ValueId i : inputs) v.push_back(map[at(i)]);
    return v;
  };
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if (id == r.into) continue;
    if (id != r.absorbed) {
      map[i] = out.append(graph.nodes()[i], mapped(graph.nodes()[i].inputs));
      continue;
    }
    Node node = graph.node(r.into);
    node.layer = r.layer;
    map[i] = map[at(r.into)] = out.append(node, mapped(r.inputs));
  }
  for (const auto& o : graph.outputs()) out.mark_output(o.name, map[at(o.value)]);
  return out;
}

}  // namespace

Graph fuse(const Graph& graph) {
  Graph out = graph;
  ValueId from = 0;
  // A rewrite changes nothing before the absorbing node, so the search goes on from there.
  while (const auto rewrite = find_rewrite(out, from)) {
    from = rewrite->into;
    out = apply(out, *rewrite);
  }
  return out;
}

}  // namespace graft
