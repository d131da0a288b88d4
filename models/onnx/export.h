// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "engine/device/context.h"
#include "graph/ir/graph.h"
#include "layers/core/param.h"

namespace graft::onnx {

struct ExportOptions {
  int opset = 17;
};

/// `graph` (inputs in NHWC, not fused) with the values of `params` as an ONNX file: input
/// (N,3,H,W), the batch free; outputs under the graph's names, (N,classes) or (N,C,H,W).
/// Evaluation: batch norms with their running statistics, dropout left out. Synchronises.
/// @throws Error(kUsage) opset not in 13..21; Error(kUnsupported) listing the nodes that have no
/// counterpart.
[[nodiscard]] std::string export_model(Context& ctx, const Graph& graph, const ParamStore& params,
                                       const ExportOptions& options = {});

}  // namespace graft::onnx
