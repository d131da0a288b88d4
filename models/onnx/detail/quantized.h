// SPDX-License-Identifier: Apache-2.0
// QuantizeLinear and DequantizeLinear: 8-bit weights become f32, 8-bit activations stay f32.
#pragma once

#include "models/onnx/detail/importer.h"

namespace graft::onnx::detail {

/// Of an activation: passes it on to the DequantizeLinear behind, non-negative where the 8-bit type
/// cannot hold less. Of weights: rounds them to their steps.
void quantize_linear(Importer& importer, const NodeProto& node);
/// Of weights: scale * (q - zero point). Of an activation: ends the pair.
void dequantize_linear(Importer& importer, const NodeProto& node);

}  // namespace graft::onnx::detail
