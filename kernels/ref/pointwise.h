// SPDX-License-Identifier: Apache-2.0
// Reference of kernels/api/pointwise.h: plain loops in f32 and f64, sums in f64. Contracts: see
// there.
#pragma once

#include "kernels/api/pointwise.h"

namespace graft::kernels::ref {

void activation_fwd(Context& ctx, Activation act, const Tensor& x, Tensor& y);
void activation_bwd(Context& ctx, Activation act, const Tensor& y, const Tensor& dy, GradMode mode,
                    Tensor& dx);
void add_fwd(Context& ctx, Activation act, const Tensor& a, const Tensor& b, Tensor& y);
void accumulate(Context& ctx, const Tensor& x, Tensor& y);
void scale(Context& ctx, double factor, Tensor& y);
void copy(Context& ctx, const Tensor& x, Tensor& y);
void concat_fwd(Context& ctx, std::span<const Tensor> x, Tensor& y);
void concat_bwd(Context& ctx, const Tensor& dy, std::span<const GradMode> mode,
                std::span<Tensor> dx);
void dropout(Context& ctx, double p, const DropoutKeys& keys, const Tensor& x, Tensor& y);
void subsample_pad_fwd(Context& ctx, int stride, const Tensor& x, Tensor& y);
void subsample_pad_bwd(Context& ctx, int stride, const Tensor& dy, GradMode mode, Tensor& dx);

}  // namespace graft::kernels::ref
