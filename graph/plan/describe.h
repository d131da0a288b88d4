// SPDX-License-Identifier: Apache-2.0
// A graph for people: what `graft inspect graph` prints.
#pragma once

#include <cstdint>
#include <string>

#include "graph/ir/graph.h"

namespace graft {

enum class GraphFormat : std::uint8_t {
  kText,  ///< one line a node, then totals and planned memory
  kDot,   ///< Graphviz
  kSvg,   ///< nodes top to bottom in execution order, self-contained
};

/// Nodes, shapes, saved tensors, FLOPs (forward, one example), parameters, and the memory planned
/// for `batch` examples in f32, with what a backward reads (what `--cache reuse` keeps). The
/// training plan is shown if the graph has an output "loss".
[[nodiscard]] std::string describe(const Graph& graph, const std::string& title, std::int64_t batch,
                                   GraphFormat format);

}  // namespace graft
