// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "graph/ir/graph.h"

namespace graft {

/// Names (node.param) of the filters (K, ...) whose scale the network does not see in training:
/// their output is read by a layer that takes its scale out (LayerPlan::scale_invariant) and by
/// nobody else. The true gradient of such a filter w[k] is orthogonal to w[k]. Frozen ones are left
/// out.
[[nodiscard]] std::vector<std::string> scale_invariant_filters(const Graph& graph);

}  // namespace graft
