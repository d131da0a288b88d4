// SPDX-License-Identifier: Apache-2.0
// Inference in 8-bit integers. A u8 or i8 tensor of scale s stands for s * q: symmetric, no zero
// point, so that zero padding is the byte 0 in both. Results are
//
//   q = narrow(round(clamp(value / y_scale)))
//
// rounded to the nearest even integer and saturated to [0, 255] or [-128, 127]; an f32 result is
// the value itself. Sums of products are exact in 32 bits, what follows is f32. Weights are i8 with
// one scale a filter. All calls are deterministic, whatever the thread count.
#pragma once

#include <cstdint>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "kernels/api/common.h"
#include "kernels/api/conv.h"
#include "kernels/api/pool.h"

namespace graft::kernels {

/// Scales are > 0; those of f32 tensors are not looked at.
struct Int8ConvOptions {
  ConvOptions conv;
  Activation activation = Activation::kNone;
  float x_scale = 1, residual_scale = 1, y_scale = 1;
};

/// value = act(conv(x, w) + bias + residual).  x (N,H,W,C) u8|i8; w (K,R,S,C/groups) i8; w_scale
/// and bias (K) f32, bias in units of the value; residual u8|i8|f32 in the shape of y, or empty; y
/// (N,P,Q,K) u8|i8|f32.  `w_version` as in conv_fwd.  R * S * C <= 2^16, so that no sum overflows.
void conv_int8_fwd(Context& ctx, const Int8ConvOptions& options, const Tensor& x, const Tensor& w,
                   const Tensor& w_scale, const Tensor& bias, const Tensor& residual,
                   std::uint64_t w_version, Tensor& y);

/// x (N,C) u8|i8; w (K,C) i8; the rest as in conv_int8_fwd, y (N,K).
void linear_int8_fwd(Context& ctx, const Int8ConvOptions& options, const Tensor& x, const Tensor& w,
                     const Tensor& w_scale, const Tensor& bias, std::uint64_t w_version, Tensor& y);

/// w (K, ...) f32 to q (same shape) i8 and scale (K): scale[k] = max |w[k]| / 127, or 1 for a
/// filter of zeros.
void quantise_weights(Context& ctx, const Tensor& w, Tensor& q, Tensor& scale);

/// x f32 to y u8|i8 of scale `scale`.
void quantise(Context& ctx, float scale, const Tensor& x, Tensor& y);
/// x u8|i8 of scale `scale` to y f32.
void dequantise(Context& ctx, float scale, const Tensor& x, Tensor& y);

struct ScaleShiftOptions {
  Activation activation = Activation::kNone;
  float x_scale = 1, y_scale = 1;  ///< not looked at for f32 tensors
};
/// value = act(scale[c] * x + shift[c]), channels last.  x, y f32|u8|i8 (both f64 with f64 scale
/// and shift on the reference, both bf16 on Backend::kCpu); scale, shift (C) f32.  y may be x where
/// the dtypes are the same.
void scale_shift_fwd(Context& ctx, const ScaleShiftOptions& options, const Tensor& x,
                     const Tensor& scale, const Tensor& shift, Tensor& y);

/// x (N,H,W,C) u8|i8 -> y (N,P,Q,C), same dtype and scale.
void max_pool_int8_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y);
/// Likewise the mean of each window, rounded to the nearest integer (ties to even, but for windows
/// whose size is even and no power of two: there f32 decides). window <= 15.
void avg_pool_int8_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y);
/// x (N,H,W,C) u8|i8 of scale `scale` -> y (N,C) f32, mean over (H,W).
void global_avg_pool_int8_fwd(Context& ctx, float scale, const Tensor& x, Tensor& y);

}  // namespace graft::kernels
