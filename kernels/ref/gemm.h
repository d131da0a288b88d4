// SPDX-License-Identifier: Apache-2.0
// Reference of kernels/api/gemm.h: plain loops in f32 and f64, sums in f64. Contracts: see there.
#pragma once

#include "kernels/api/gemm.h"

namespace graft::kernels::ref {

void linear_fwd(Context& ctx, const Tensor& x, const Tensor& w, const Tensor& bias,
                std::uint64_t w_version, Tensor& y);
void linear_bwd_data(Context& ctx, const Tensor& dy, const Tensor& w, std::uint64_t w_version,
                     GradMode mode, Tensor& dx);
void linear_bwd_weight(Context& ctx, const Tensor& x, const Tensor& dy, GradMode mode, Tensor& dw,
                       Tensor& dbias);

}  // namespace graft::kernels::ref
