// SPDX-License-Identifier: Apache-2.0
// What layers cost, from a file or measured here.
#pragma once

#include <filesystem>
#include <functional>

#include "engine/device/context.h"
#include "runtime/package/base_models.h"
#include "scheduler/model/cost_model.h"

namespace graft::run {

/// COSTS.json. Throws Error(kIo), Error(kModel).
[[nodiscard]] CostModel read_costs(const std::filesystem::path& path);

/// What read_costs() reads, atomically. Throws Error(kIo).
void write_costs(const std::filesystem::path& path, const CostModel& costs);

/// Milliseconds that each layer of the package's network takes on one frame; see layer_costs().
[[nodiscard]] CostModel measure_costs(Context& ctx, const Package& package, BaseModels& bases,
                                      const std::function<void()>& between);

}  // namespace graft::run
