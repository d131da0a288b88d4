// SPDX-License-Identifier: Apache-2.0
// A graph as data: what a model file holds where no name of the zoo stands for the network.
#pragma once

#include <string_view>

#include "engine/io/json.h"
#include "graph/ir/graph.h"

namespace graft {

/// Nodes in order, each {"name","op","inputs",options...}, and the outputs. Throws
/// Error(kUnsupported) naming the node for a layer that inference has no use for (losses, fused
/// layers) and for nodes other than inputs and layers.
[[nodiscard]] Json to_json(const Graph& graph);

/// Inverse of to_json(), under limits: 65536 nodes, sides and channels up to 2^20, values up to
/// 2^31 elements an example. Throws Error(kModel) naming `source` and the node.
[[nodiscard]] Graph graph_from_json(const Json& json, std::string_view source);

}  // namespace graft
