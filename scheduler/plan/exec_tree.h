// SPDX-License-Identifier: Apache-2.0
// The tree of network parts that a schedule runs, as plain data.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/io/json.h"
#include "scheduler/model/cost_model.h"

namespace graft {

/// Layers [first, last) of one network, run at `fps` on the output of its parent.
struct TreeNode {
  int parent = -1;  ///< index of a node before this one, or -1 for the frame
  int first = 0, last = 0;
  double fps = 0;
  bool shared = false;    ///< part of the stem; else the branch of one application
  std::vector<int> apps;  ///< indices of the applications that it serves, ascending

  bool operator==(const TreeNode&) const = default;
};

/// The stem from the frame on, its cuts rising and its rates not, then a branch for each
/// application in their order.
struct ExecTree {
  std::vector<TreeNode> nodes;

  bool operator==(const ExecTree&) const = default;
  /// Layers of `costs` at the rates of the nodes: what CostModel::cost() says of the schedule.
  [[nodiscard]] double cost(const CostModel& costs) const;
};

[[nodiscard]] ExecTree make_exec_tree(std::span<const Placement> apps, int n_layers);

void to_json(Json& json, const ExecTree& tree);
/// Throws Error(kModel) naming `source` and the field for a tree that to_json() would not write.
[[nodiscard]] ExecTree parse_exec_tree(const Json& json, std::string_view source);

}  // namespace graft
