// SPDX-License-Identifier: Apache-2.0
// Reference of kernels/api/image_ops.h: plain loops in f32 and f64, sums in f64. Contracts: see
// there.
#pragma once

#include "kernels/api/image_ops.h"

namespace graft::kernels::ref {

void u8_to_float(Context& ctx, std::span<const ImageTransform> transform, const ImageTable& table,
                 const Tensor& x, Tensor& y);

}  // namespace graft::kernels::ref
