// SPDX-License-Identifier: Apache-2.0
// Reference of kernels/api/conv.h: plain loops in f32 and f64, sums in f64. Contracts: see there.
#pragma once

#include "kernels/api/conv.h"

namespace graft::kernels::ref {

void conv_fwd(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& w,
              const Tensor& bias, std::uint64_t w_version, Tensor& y);
void conv_fused_fwd(Context& ctx, const ConvOptions& options, Activation act, const Tensor& x,
                    const Tensor& w, const Tensor& bias, const Tensor& residual,
                    std::uint64_t w_version, Tensor& y);
void conv_bwd_data(Context& ctx, const ConvOptions& options, const Tensor& dy, const Tensor& w,
                   std::uint64_t w_version, GradMode mode, Tensor& dx);
void conv_bwd_weight(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& dy,
                     GradMode mode, Tensor& dw, Tensor& dbias);

}  // namespace graft::kernels::ref
