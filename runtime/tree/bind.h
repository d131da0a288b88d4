// SPDX-License-Identifier: Apache-2.0
// From a schedule and packages to networks: the single point where names meet weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "graph/plan/inference.h"
#include "layers/core/param.h"
#include "runtime/model/model.h"
#include "runtime/package/package.h"
#include "scheduler/plan/exec_tree.h"

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

/// Base networks by content, each loaded once.
class BaseModels {
 public:
  /// `where`: model file or folder to look in first; empty: only beside the package.
  explicit BaseModels(std::filesystem::path where = {}) : where_(std::move(where)) {}

  /// The base of `package`. Throws Error(kModel) naming the places looked at, if none holds it, or
  /// if its frozen layers are not those that the package was made for.
  [[nodiscard]] const Model& get(Context& ctx, const Package& package);

 private:
  std::filesystem::path where_;
  std::map<std::string, std::unique_ptr<Model>> by_hash_;
};

/// "base-<first 16 digits>.graft".
[[nodiscard]] std::string base_file_name(const std::string& sha256);

/// All parameters of candidate `frozen`: the base's, then its own.
[[nodiscard]] std::unique_ptr<ParamStore> candidate_params(Context& ctx, const Package& package,
                                                           int frozen, const Model& base);

/// A part of the tree in inference form, and its parameters.
struct TreePart {
  Graph graph;       ///< inference form; one input, one output
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
/// runs as one operation.
[[nodiscard]] BoundTree bind(Context& ctx, std::span<const TreeApp> apps, BaseModels& bases);

}  // namespace graft
