// SPDX-License-Identifier: Apache-2.0
// Fully connected layer: y = x w^T + bias.
#pragma once

#include <cstdint>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "kernels/api/common.h"

namespace graft::kernels {

/// x (N,C); w (K,C); bias (K) or empty; y (N,K).  `w_version` and bf16 as in conv_fwd.
void linear_fwd(Context& ctx, const Tensor& x, const Tensor& w, const Tensor& bias,
                std::uint64_t w_version, Tensor& y);

/// dx (N,C) = dy (N,K) w, by `mode`.
void linear_bwd_data(Context& ctx, const Tensor& dy, const Tensor& w, std::uint64_t w_version,
                     GradMode mode, Tensor& dx);

/// dw (K,C) = dy^T x and, unless empty, dbias (K) = column sums of dy, by `mode`.
void linear_bwd_weight(Context& ctx, const Tensor& x, const Tensor& dy, GradMode mode, Tensor& dw,
                       Tensor& dbias);

}  // namespace graft::kernels
