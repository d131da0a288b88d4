// SPDX-License-Identifier: Apache-2.0
// Reference of kernels/api/optim.h: plain loops in f32 and f64, sums in f64. Contracts: see there.
#pragma once

#include "kernels/api/optim.h"

namespace graft::kernels::ref {

void sgd_step(Context& ctx, const SgdOptions& options, const Tensor& g, Tensor& w, Tensor& v);
void adam_step(Context& ctx, const AdamOptions& options, std::int64_t step, const Tensor& g,
               Tensor& w, Tensor& m, Tensor& v);

}  // namespace graft::kernels::ref
