// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"

namespace graft::kernels {

/// Sum of squares, accumulated in f64 in a fixed order; infinite or NaN if any element is.
/// Synchronises.
[[nodiscard]] double sum_squares(Context& ctx, const Tensor& x);

}  // namespace graft::kernels
