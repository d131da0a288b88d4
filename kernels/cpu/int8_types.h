// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "engine/tensor/tensor.h"
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

}  // namespace graft::kernels::cpu
