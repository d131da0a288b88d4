// SPDX-License-Identifier: Apache-2.0
// Cutting a graph in two, and growing several into one that shares its stem.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "graph/ir/graph.h"

namespace graft {

/// A graph cut at one value: the prefix makes it (output "cut"), the suffix takes it (input "cut").
struct Split {
  Graph prefix;
  Graph suffix;
};

/// Cuts `graph` at `value`. Throws Error(kInvalidArgument), naming the value that crosses as well,
/// if the suffix would need more of the prefix than `value` and the inputs. Inputs used behind the
/// cut (labels) go to the suffix. Node names, and with them the parameters' names, stay.
[[nodiscard]] Split split(const Graph& graph, ValueId value);

/// Values at which split() works and whose prefix has at least one layer, in graph order: the
/// branch points.
[[nodiscard]] std::vector<ValueId> cut_points(const Graph& graph);

/// Hash of a node's parameters' contents: equal exactly when the weights are bit-equal.
using WeightHash = std::function<std::uint64_t(std::size_t graph, const Node& node)>;

/// One graph that computes all of `graphs`: nodes with equal operator, attributes, weights and
/// inputs (common-subexpression elimination by content hash) exist once. Names of nodes that stand
/// for one graph only, and all outputs, get the prefix names[i] + "/". A `Share` node ends every
/// maximal shared prefix. Inputs are shared by name. Merged nodes keep the name of the first graph
/// that has them.
[[nodiscard]] Graph merge_shared(std::span<const Graph> graphs, std::span<const std::string> names,
                                 const WeightHash& weight_hash);

}  // namespace graft
