// SPDX-License-Identifier: Apache-2.0
// 3x3 convolution by Winograd's F(4x4,3x3): two to three times oneDNN's direct one on nhwc.
#pragma once

#include "kernels/api/conv.h"

namespace graft::kernels::cpu {

decltype(kernels::conv_fwd) winograd_fwd;
decltype(kernels::conv_bwd_data) winograd_bwd_data;
decltype(kernels::conv_fused_fwd) winograd_fused_fwd;

/// f32 on AVX-512; 3x3, stride 1, padding up to 2, no dilation, one group, channels in multiples of
/// 16 on both sides, and enough tiles of 4x4 outputs that lie mostly inside the image (fewer where
/// the fused form may keep its weights). What is not finite in x makes the whole tile NaN.
const char* winograd_fwd_why_not(const ConvOptions& options, const Tensor& x, const Tensor& w,
                                 const Tensor& bias, std::uint64_t w_version, Tensor& y);
const char* winograd_bwd_data_why_not(const ConvOptions& options, const Tensor& dy, const Tensor& w,
                                      std::uint64_t w_version, GradMode mode, Tensor& dx);
const char* winograd_fused_fwd_why_not(const ConvOptions& options, Activation act, const Tensor& x,
                                       const Tensor& w, const Tensor& bias, const Tensor& residual,
                                       std::uint64_t w_version, Tensor& y);

}  // namespace graft::kernels::cpu
