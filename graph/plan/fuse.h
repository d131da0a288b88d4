// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/ir/graph.h"

namespace graft {

/// The same function with fewer passes over memory: a layer that can take over the sum behind it
/// (Layer::with_residual) and then the non-linearity behind it (Layer::with_activation) does so,
/// where the value in between has no other reader. Names of the absorbing nodes, and so of all
/// parameters, stay.
[[nodiscard]] Graph fuse(const Graph& graph);

}  // namespace graft
