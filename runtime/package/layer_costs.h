// SPDX-License-Identifier: Apache-2.0
// What each layer of a network takes on this machine: the cost file of graft schedule.
#pragma once

#include <functional>
#include <vector>

#include "engine/device/context.h"
#include "graph/ir/graph.h"
#include "layers/core/param.h"

namespace graft {

/// Milliseconds of each layer of `graph` (not fused, one input), an image at a time, in the form in
/// which a tree runs it. What runs as one operation stands at the layer that gives it its name, the
/// layers that it takes in are 0; all together take what a whole forward takes. Medians of `runs`
/// forwards, watched and not, in turn; `between` is called between two of them. Synchronises.
[[nodiscard]] std::vector<double> layer_costs(
    Context& ctx, const Graph& graph, const ParamStore& params, int runs,
    const std::function<void()>& between = [] {});

}  // namespace graft
