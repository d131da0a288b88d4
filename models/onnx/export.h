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

/// `graph` (inputs in NHWC; as written, or an inference or 8-bit form of graph/plan/) with the
/// values of `params` as an ONNX file: input (N,3,H,W), the batch free; outputs under the graph's
/// names, (N,classes) or (N,C,H,W). Evaluation: batch norms with their running statistics, dropout
/// left out. 8-bit values become QuantizeLinear and DequantizeLinear (QDQ), u8, 8-bit weights i8
/// with a scale a filter. ONNX Runtime from 1.21 on runs that in 8 bits, but for convolutions right
/// before f32 layers; it rounds once more before a sum. Synchronises; host backends only for 8-bit
/// forms.
/// @throws Error(kUsage) opset not in 13..21; Error(kUnsupported) listing the nodes that have no
/// counterpart.
[[nodiscard]] std::string export_model(Context& ctx, const Graph& graph, const ParamStore& params,
                                       const ExportOptions& options = {});

}  // namespace graft::onnx
