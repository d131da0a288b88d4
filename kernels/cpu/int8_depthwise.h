// SPDX-License-Identifier: Apache-2.0
// int8 depthwise 3x3 convolution by own loops on AVX-512 VNNI.
#pragma once

#include "kernels/api/int8.h"

namespace graft::kernels::cpu {

decltype(kernels::conv_int8_fwd) depthwise_int8_fwd;

/// One channel a group on both sides, in multiples of 16, stride 1 or 2, no dilation.
const char* depthwise_int8_fwd_why_not(const Int8ConvOptions& options, const Tensor& x,
                                       const Tensor& w, const Tensor& w_scale, const Tensor& bias,
                                       const Tensor& residual, std::uint64_t w_version, Tensor& y);

}  // namespace graft::kernels::cpu
