// SPDX-License-Identifier: Apache-2.0
// The layers of a network in order, as "frozen" counts them, and what tells them apart.
#pragma once

#include <string>
#include <vector>

#include "engine/device/context.h"
#include "graph/ir/graph.h"
#include "layers/core/param.h"

namespace graft {

/// Layer nodes in order.
[[nodiscard]] std::vector<ValueId> layers_of(const Graph& graph);

/// [layer]: the layer whose node of the inference form computes it, e.g. a convolution for itself,
/// its batch norm and its activation.
[[nodiscard]] std::vector<int> inference_owners(const Graph& graph);

/// [k]: whether a network can be run in two parts, the first k layers and the others, 0 to all
/// layers: one value crosses (single_value_cuts(), and the image for 0), and the cut does not lie
/// inside what the inference form runs as one operation, say between a convolution and its batch
/// norm, so that the parts compute the bits of the whole.
[[nodiscard]] std::vector<bool> deployable_cuts(const Graph& graph);

/// SHA-256, in hexadecimal, of each of the first `count` layers: operator, attributes, where its
/// inputs come from, shape, weights. Equal lists mean bit-equal prefixes; names do not matter.
/// Throws Error(kInvalidArgument) if `params` lacks one or has it in another shape.
[[nodiscard]] std::vector<std::string> layer_hashes(Context& ctx, const Graph& graph,
                                                    const ParamStore& params, int count);

}  // namespace graft
