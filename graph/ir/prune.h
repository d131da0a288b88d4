// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "graph/ir/graph.h"

namespace graft {

/// The part of `graph` that `value` needs, with `value` as its only output, called `output`.
/// Inputs that it does not need (labels) are left out; names and ordinals of the nodes stay.
[[nodiscard]] Graph prune(const Graph& graph, ValueId value, const std::string& output);

/// `graph` without the layers that no output depends on. All inputs stay, since callers bind them.
[[nodiscard]] Graph without_dead_nodes(const Graph& graph);

}  // namespace graft
