// SPDX-License-Identifier: Apache-2.0
// The networks whose leading layers packages share.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/device/context.h"
#include "layers/core/param.h"
#include "runtime/model/model.h"
#include "runtime/package/package.h"

namespace graft {

/// "base-<first 16 digits>.graft": how a base is called beside its packages.
[[nodiscard]] std::string base_file_name(const std::string& sha256);

/// Content hashes (layer_hashes()) of the first `count` layers of `graph` with the weights of
/// `base`. Throws Error(kModel) naming `source` if the base lacks one of them.
[[nodiscard]] std::vector<std::string> base_layer_hashes(Context& ctx, const Graph& graph,
                                                         const Model& base, int count,
                                                         const std::string& source);

/// Base networks by content, each loaded once.
class BaseModels {
 public:
  /// `where`: model file or folder to look in first; empty: only beside the package.
  explicit BaseModels(std::filesystem::path where = {}) : where_(std::move(where)) {}

  /// The base of `package`. Throws Error(kModel) naming the places looked at, if none holds it, or
  /// naming the layer, if its leading layers are not those that the package was made for.
  [[nodiscard]] const Model& get(Context& ctx, const Package& package);

 private:
  [[nodiscard]] std::filesystem::path find(const Package& package) const;

  std::filesystem::path where_;
  std::map<std::string, std::unique_ptr<Model>> by_hash_;
  std::set<std::string> checked_;  // what packages say of bases, and is so
};

/// All parameters of candidate `frozen`: those of `base`, which BaseModels::get() gave for the
/// package, then its own.
[[nodiscard]] std::unique_ptr<ParamStore> candidate_params(Context& ctx, const Package& package,
                                                           int frozen, const Model& base);

}  // namespace graft
