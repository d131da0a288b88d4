// SPDX-License-Identifier: Apache-2.0
// Reference of kernels/api/reduce.h: plain loops in f32 and f64, sums in f64. Contracts: see there.
#pragma once

#include "kernels/api/reduce.h"

namespace graft::kernels::ref {

[[nodiscard]] double sum_squares(Context& ctx, const Tensor& x);

}  // namespace graft::kernels::ref
