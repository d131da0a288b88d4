// SPDX-License-Identifier: Apache-2.0
// 1x1 convolution as a matrix product over pixels.
#pragma once

#include "kernels/api/conv.h"

namespace graft::kernels::cpu {

decltype(kernels::conv_fwd) conv_1x1_fwd;
decltype(kernels::conv_bwd_data) conv_1x1_bwd_data;
decltype(kernels::conv_bwd_weight) conv_1x1_bwd_weight;
decltype(kernels::conv_fused_fwd) conv_1x1_fused_fwd;

/// f32, 1x1, stride 1, no padding, one group; for the gradient of x at least 24 input channels, for
/// that of w no dbias.
const char* conv_1x1_fwd_why_not(const ConvOptions& options, const Tensor& x, const Tensor& w,
                                 const Tensor& bias, std::uint64_t w_version, Tensor& y);
const char* conv_1x1_bwd_data_why_not(const ConvOptions& options, const Tensor& dy, const Tensor& w,
                                      std::uint64_t w_version, GradMode mode, Tensor& dx);
const char* conv_1x1_bwd_weight_why_not(const ConvOptions& options, const Tensor& x,
                                        const Tensor& dy, GradMode mode, Tensor& dw, Tensor& dbias);
/// f32 on AVX-512; 1x1, any stride, no padding, one group, more than 16 channels on both sides.
const char* conv_1x1_fused_fwd_why_not(const ConvOptions& options, Activation act, const Tensor& x,
                                       const Tensor& w, const Tensor& bias, const Tensor& residual,
                                       std::uint64_t w_version, Tensor& y);

}  // namespace graft::kernels::cpu
