// SPDX-License-Identifier: Apache-2.0
// Arithmetic of shapes, done while a model is imported.
#pragma once

#include "models/onnx/detail/importer.h"

namespace graft::onnx::detail {

void fold_cast(Importer& importer, const NodeProto& node);
void fold_constant(Importer& importer, const NodeProto& node);
void fold_constant_of_shape(Importer& importer, const NodeProto& node);
void fold_binary(Importer& importer, const NodeProto& node);
void fold_gather(Importer& importer, const NodeProto& node);
void fold_shape(Importer& importer, const NodeProto& node);
void fold_slice(Importer& importer, const NodeProto& node);
void fold_squeeze(Importer& importer, const NodeProto& node);
void fold_unsqueeze(Importer& importer, const NodeProto& node);

/// True if `node` adds or joins integers, and has done so.
[[nodiscard]] bool fold_arithmetic(Importer& importer, const NodeProto& node);
[[nodiscard]] bool fold_concat(Importer& importer, const NodeProto& node);
/// True if `node` reshapes or transposes integers, and has done so.
[[nodiscard]] bool fold_reshape(Importer& importer, const NodeProto& node);
[[nodiscard]] bool fold_transpose(Importer& importer, const NodeProto& node);

}  // namespace graft::onnx::detail
