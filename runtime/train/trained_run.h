// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/io/json.h"
#include "graph/ir/graph.h"
#include "runtime/data/dataset.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/network.h"
#include "runtime/train/train_options.h"

namespace graft::train {

/// The network that a run's options name, fused, for data of the given kind.
[[nodiscard]] Graph training_graph(const TrainOptions& options, const data::Dataset& dataset);

/// A run directory opened to be looked at: what it was told, and its last weights.
struct TrainedRun {
  Json description;  ///< run.json
  TrainOptions options;
  std::unique_ptr<Network> network;

  /// `data`: a data set spec that replaces the run's own; empty: the run's. `features`: whether the
  /// graph gets the output "features", the input of its classifier. Throws Error(kConfig) for a
  /// folder that holds no run, Error(kData) if the classes differ in number, Error(kModel) without
  /// a sound checkpoint.
  TrainedRun(Context& ctx, const std::filesystem::path& run_dir, const std::string& data,
             std::int64_t max_batch);
};

}  // namespace graft::train
