// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "engine/tensor/tensor.h"
#include "kernels/api/int8.h"
#include "kernels/cpu/activation.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels::cpu {

/// u8, i8 or f32.
inline simd::Int8Type int8_type(const Tensor& t) {
  if (t.dtype() == DType::kU8) return simd::Int8Type::kU8;
  return t.dtype() == DType::kI8 ? simd::Int8Type::kI8 : simd::Int8Type::kF32;
}

/// 1 for f32: its values are what they stand for.
inline float scale_of(const Tensor& t, float scale) { return t.dtype() == DType::kF32 ? 1 : scale; }

/// The activation's bounds in units of `scale`, within the range of y's dtype.
inline Bounds int8_bounds(Activation act, float scale, const Tensor& y) {
  Bounds b = bounds_of(act);
  b = {b.lo / scale, b.hi / scale};
  if (y.dtype() == DType::kU8) return {std::max(b.lo, 0.0F), std::min(b.hi, 255.0F)};
  if (y.dtype() == DType::kI8) return {std::max(b.lo, -128.0F), std::min(b.hi, 127.0F)};
  return b;
}

/// What the scaled sums of one convolution need besides pointers: `start`, `scale` and `shift` have
/// `padded` elements, whole registers, and row_sum one a filter.
inline void fill_scales(const Int8ConvOptions& o, const Tensor& x, const Tensor& w_scale,
                        const Tensor& bias, float y_scale, const std::int32_t* row_sum,
                        std::int64_t padded, std::int32_t* start, float* scale, float* shift) {
  constexpr int kSignedZero = 128;  // signed bytes go in as unsigned ones, this much larger
  const std::int64_t k = bias.numel();
  for (std::int64_t i = 0; i < padded; ++i) {
    const bool real = i < k;
    start[i] = real && x.dtype() == DType::kI8 ? -kSignedZero * row_sum[i] : 0;
    scale[i] = real ? o.x_scale * w_scale.ptr<const float>()[i] / y_scale : 0;
    shift[i] = real ? bias.ptr<const float>()[i] / y_scale : 0;
  }
}

/// Arguments of the loops for packed weights and the arrays of fill_scales().
inline simd::Int8ConvArgs int8_args(const Int8ConvOptions& o, const Tensor& x,
                                    const std::int8_t* packed, const std::int32_t* start,
                                    const float* scale, const float* shift, const Tensor& residual,
                                    const Tensor& y) {
  const float y_scale = scale_of(y, o.y_scale);
  const Bounds bounds = int8_bounds(o.activation, y_scale, y);
  return {.x = static_cast<const std::uint8_t*>(x.data()),
          .x_signed = x.dtype() == DType::kI8,
          .w = packed,
          .start = start,
          .scale = scale,
          .shift = shift,
          .residual = residual.data(),
          .residual_type = int8_type(residual),
          .residual_scale = scale_of(residual, o.residual_scale) / y_scale,
          .lo = bounds.lo,
          .hi = bounds.hi,
          .y = y.data(),
          .y_type = int8_type(y)};
}

}  // namespace graft::kernels::cpu
