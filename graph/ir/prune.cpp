// SPDX-License-Identifier: Apache-2.0
#include "graph/ir/prune.h"

#include <utility>
#include <vector>

namespace graft {

Graph prune(const Graph& graph, ValueId value, const std::string& output) {
  std::vector<bool> needed(graph.nodes().size(), false);
  needed.at(static_cast<std::size_t>(value)) = true;
  for (std::size_t i = needed.size(); i-- > 0;) {
    if (!needed[i]) continue;
    for (const ValueId in : graph.nodes()[i].inputs) needed[static_cast<std::size_t>(in)] = true;
  }
  Graph out;
  std::vector<ValueId> map(needed.size(), kNoValue);
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) continue;
    std::vector<ValueId> inputs;
    for (const ValueId in : graph.nodes()[i].inputs) {
      inputs.push_back(map[static_cast<std::size_t>(in)]);
    }
    map[i] = out.append(graph.nodes()[i], std::move(inputs));
  }
  out.mark_output(output, map[static_cast<std::size_t>(value)]);
  return out;
}

}  // namespace graft
