// SPDX-License-Identifier: Apache-2.0
// Where a network can be divided into a stem that several tasks share and a branch of its own.
// Source: Jiang's thesis, section 5.2: cut where few activations cross, at the ends of blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/ir/graph.h"

namespace graft {

/// A value through which everything behind it flows: no other value, input included, is read both
/// before and behind it.
struct BranchPoint {
  ValueId value = kNoValue;
  int frozen = 0;  ///< layer nodes up to it, itself included: the leading layers of its stem
  std::int64_t elements = 0;  ///< of the value, an example

  bool operator==(const BranchPoint&) const = default;
};

/// Layer nodes of `graph`.
[[nodiscard]] int count_layers(const Graph& graph);

/// All of them, in graph order; inputs are not among them.
[[nodiscard]] std::vector<BranchPoint> single_value_cuts(const Graph& graph);

/// Those that are the end of a block: of a chain of layers without filters (normalisation,
/// activation, pooling) only the last, nothing in the middle of a separable convolution (behind its
/// depthwise half). Feature maps only, (1,H,W,C).
[[nodiscard]] std::vector<BranchPoint> block_ends(const Graph& graph);

/// The chokepoint heuristic: block_ends() without those that carry an earlier one along unchanged
/// (inside a dense block), and without those that are over twice as large as the neighbour on
/// each side (expanded bottlenecks). The last block end is always one.
[[nodiscard]] std::vector<BranchPoint> branch_points(const Graph& graph);

}  // namespace graft
