// SPDX-License-Identifier: Apache-2.0
// Depthwise 3x3 convolution by own loops: bound by memory, where oneDNN 2.6 reaches half of that.
#pragma once

#include "kernels/api/conv.h"

namespace graft::kernels::cpu {

decltype(kernels::conv_fwd) depthwise_fwd;
decltype(kernels::conv_bwd_data) depthwise_bwd_data;
decltype(kernels::conv_bwd_weight) depthwise_bwd_weight;
decltype(kernels::conv_fused_fwd) depthwise_fused_fwd;

/// f32, one channel a group on both sides, 3x3, stride 1 or 2, padding at most 2; the gradients
/// only kOverwrite and without dbias.
const char* depthwise_fwd_why_not(const ConvOptions& options, const Tensor& x, const Tensor& w,
                                  const Tensor& bias, std::uint64_t w_version, Tensor& y);
const char* depthwise_bwd_data_why_not(const ConvOptions& options, const Tensor& dy,
                                       const Tensor& w, std::uint64_t w_version, GradMode mode,
                                       Tensor& dx);
const char* depthwise_bwd_weight_why_not(const ConvOptions& options, const Tensor& x,
                                         const Tensor& dy, GradMode mode, Tensor& dw,
                                         Tensor& dbias);
/// As the forward, and no residual.
const char* depthwise_fused_fwd_why_not(const ConvOptions& options, Activation act, const Tensor& x,
                                        const Tensor& w, const Tensor& bias, const Tensor& residual,
                                        std::uint64_t w_version, Tensor& y);

}  // namespace graft::kernels::cpu
