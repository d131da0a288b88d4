// SPDX-License-Identifier: Apache-2.0
// From a schedule and packages to networks: the single point where names meet weights.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "graph/ir/graph.h"
#include "layers/core/param.h"
#include "runtime/package/base_models.h"
#include "runtime/package/package.h"
#include "runtime/package/package_set.h"
#include "scheduler/plan/schedule.h"

namespace graft {

/// An application of a tree.
struct TreeApp {
  std::string name;  ///< unique in the tree, no '/'
  std::shared_ptr<const Package> package;
  Placement place;  ///< `frozen` names the candidate
  /// The images of a batch that it sees: all applications the same one image in shared mode, each
  /// its camera's or crop's in batched mode.
  std::int64_t first_row = 0, n_rows = 1;
};

/// The applications of a plan with their packages, by name. Throws Error(kModel) naming one that is
/// missing or has no such candidate.
[[nodiscard]] std::vector<TreeApp> tree_apps(std::span<const PlannedApp> plan,
                                             std::span<const NamedPackage> packages);

/// A part of the tree in inference form, and its parameters.
struct TreePart {
  Graph graph;  ///< inference form; one input, one output
  std::unique_ptr<ParamStore> params;
};

struct BoundTree {
  ExecTree tree;
  Graph graph;  ///< all applications, not fused, with Share nodes; see merge_shared()
  std::vector<TreePart> parts;  ///< one a node of `tree`
};

/// Builds the tree of `apps` (not empty) and the parts to run. A part of the stem is shared only if
/// the frozen layers of all its applications are bit-equal, by content hash of operator,
/// attributes and weights. Throws Error(kModel) naming the layer where two applications part
/// although the placements share it; if preprocessing differs; if a cut lies inside what inference
/// runs as one operation. `between` is called between two pieces of the work, where it can stand
/// still.
[[nodiscard]] BoundTree bind_tree(Context& ctx, std::span<const TreeApp> apps, BaseModels& bases,
                                  const std::function<void()>& between);

}  // namespace graft
