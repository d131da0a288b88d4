// SPDX-License-Identifier: Apache-2.0
// What layers cost, from a file or measured here.
#pragma once

#include <filesystem>

#include "engine/device/context.h"
#include "runtime/package/package.h"
#include "scheduler/model/cost_model.h"

namespace graft::run {

/// COSTS.json. Throws Error(kIo), Error(kModel).
[[nodiscard]] CostModel read_costs(const std::filesystem::path& path);

/// Milliseconds that each layer of the package's network takes on one frame: medians of `runs`
/// forwards in inference form, after a warm-up. What inference runs with another layer costs
/// nothing. Weights do not matter and are not read. Synchronises.
[[nodiscard]] CostModel measure_costs(Context& ctx, const PackageHeader& header, int runs);

}  // namespace graft::run
