// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/scale_invariant.h"

#include "graph/plan/execution_plan.h"

namespace graft {
namespace {

/// Nodes that read the storage of each value, identities looked through.
std::vector<int> reader_counts(const Graph& graph) {
  std::vector<int> readers(graph.nodes().size());
  for (const Node& n : graph.nodes()) {
    if (n.kind != NodeKind::kLayer) continue;
    for (const ValueId v : n.inputs) ++readers[static_cast<std::size_t>(storage_of(graph, v))];
  }
  for (const auto& o : graph.outputs()) {
    ++readers[static_cast<std::size_t>(storage_of(graph, o.value))];
  }
  return readers;
}

}  // namespace

std::vector<std::string> scale_invariant_filters(const Graph& graph) {
  const std::vector<int> readers = reader_counts(graph);
  std::vector<std::string> names;
  for (ValueId id = 0; id < static_cast<ValueId>(graph.nodes().size()); ++id) {
    const Node& n = graph.node(id);
    if (n.kind != NodeKind::kLayer || n.frozen) continue;
    if (!n.layer->plan(graph.input_shapes(id, 1)).scale_invariant) continue;
    const ValueId source = storage_of(graph, n.inputs[0]);
    const Node& before = graph.node(source);
    if (before.layer == nullptr || before.frozen || readers[static_cast<std::size_t>(source)] > 1) {
      continue;
    }
    for (const ParamSpec& p : before.layer->params()) {
      const bool filter = p.kind == ParamKind::kTrainable && p.shape.rank() > 1 &&
                          p.shape[0] == before.shape[before.shape.rank() - 1];
      if (filter) names.push_back(before.name + "." + p.name);
    }
  }
  return names;
}

}  // namespace graft
