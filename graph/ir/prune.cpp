// SPDX-License-Identifier: Apache-2.0
#include "graph/ir/prune.h"

#include <utility>
#include <vector>

namespace graft {

namespace {

constexpr auto at = [](ValueId id) { return static_cast<std::size_t>(id); };

/// Adds what the needed nodes depend on.
void need_inputs(const Graph& graph, std::vector<bool>& needed) {
  for (std::size_t i = needed.size(); i-- > 0;) {
    if (!needed[i]) continue;
    for (const ValueId in : graph.nodes()[i].inputs) needed[at(in)] = true;
  }
}

/// The needed nodes, without outputs; `map` gets where they are.
Graph part_of(const Graph& graph, const std::vector<bool>& needed, std::vector<ValueId>& map) {
  Graph out;
  map.assign(needed.size(), kNoValue);
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) continue;
    std::vector<ValueId> inputs;
    for (const ValueId in : graph.nodes()[i].inputs) inputs.push_back(map[at(in)]);
    map[i] = out.append(graph.nodes()[i], std::move(inputs));
  }
  return out;
}

}  // namespace

Graph prune(const Graph& graph, ValueId value, const std::string& output) {
  std::vector<bool> needed(graph.nodes().size(), false);
  needed.at(at(value)) = true;
  need_inputs(graph, needed);
  std::vector<ValueId> map;
  Graph out = part_of(graph, needed, map);
  out.mark_output(output, map[at(value)]);
  return out;
}

Graph without_dead_nodes(const Graph& graph) {
  std::vector<bool> needed;
  for (const Node& n : graph.nodes()) needed.push_back(n.kind == NodeKind::kInput);
  for (const auto& o : graph.outputs()) needed[at(o.value)] = true;
  need_inputs(graph, needed);
  std::vector<ValueId> map;
  Graph out = part_of(graph, needed, map);
  for (const auto& o : graph.outputs()) out.mark_output(o.name, map[at(o.value)]);
  return out;
}

}  // namespace graft
