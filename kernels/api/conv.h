// SPDX-License-Identifier: Apache-2.0
// 2-D convolution (cross-correlation), strided, padded, dilated, grouped and depthwise.
//
//   y[n,p,q,k] = bias[k] + sum_{r,s,c} x[n, p*stride + r*dilation - pad_top, ..., c] * w[k,r,s,c]
#pragma once

#include <cstdint>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "kernels/api/common.h"

namespace graft::kernels {

struct ConvOptions {
  int stride = 1;
  int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  int dilation = 1;
  int groups = 1;  ///< C for depthwise

  [[nodiscard]] static ConvOptions same_sides(int stride, int pad, int groups = 1) {
    return {.stride = stride,
            .pad_top = pad,
            .pad_left = pad,
            .pad_bottom = pad,
            .pad_right = pad,
            .groups = groups};
  }
};

/// Shape (N,P,Q,K) of conv_fwd's y; throws if the filter does not fit.
[[nodiscard]] Shape conv_output_shape(const ConvOptions& options, const Shape& x, const Shape& w);

/// y = conv(x, w) + bias.  x (N,H,W,C); w (K,R,S,C/groups); bias (K) or empty; y (N,P,Q,K).
/// `w_version`: changes whenever the bytes at w.data() change; lets the backend keep w in its own
/// format between calls. 0: never keep.
/// On Backend::kCpu x may be bf16 for inference: bias is f32, w and y bf16 or f32; an f32 w is
/// rounded to bf16 unless an own depthwise loop takes it.
/// Deterministic for a fixed thread count.  FLOPs: 2*N*P*Q*K*R*S*C/groups.
void conv_fwd(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& w,
              const Tensor& bias, std::uint64_t w_version, Tensor& y);

/// The inference form: y = act(conv(x, w) + bias + residual).  residual in the shape of y and the
/// dtype of x, or empty; the rest as in conv_fwd.
void conv_fused_fwd(Context& ctx, const ConvOptions& options, Activation act, const Tensor& x,
                    const Tensor& w, const Tensor& bias, const Tensor& residual,
                    std::uint64_t w_version, Tensor& y);

/// dx = d(sum(y*dy))/dx, written or accumulated by `mode`.
void conv_bwd_data(Context& ctx, const ConvOptions& options, const Tensor& dy, const Tensor& w,
                   std::uint64_t w_version, GradMode mode, Tensor& dx);

/// dw (shape of w) and, unless empty, dbias (K), both by `mode`.
void conv_bwd_weight(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& dy,
                     GradMode mode, Tensor& dw, Tensor& dbias);

}  // namespace graft::kernels
