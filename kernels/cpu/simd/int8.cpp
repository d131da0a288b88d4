// SPDX-License-Identifier: Apache-2.0
// Element-wise loops from, to and among 8-bit integers, written so that compilers vectorise them.
#include "kernels/cpu/simd/isa.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

/// To the nearest even integer; |v| < 2^22.
GRAFT_INLINE float round_even(float v) {
  constexpr float kMagic = 12582912.0F;  // 1.5 * 2^23: the fraction has no bits left
  return (v + kMagic) - kMagic;
}

template <class T>
GRAFT_INLINE T result(float v, float lo, float hi) {
  v = v > lo ? v : lo;  // NaN becomes lo
  v = v < hi ? v : hi;
  if constexpr (__is_same(T, float)) {
    return v;
  } else {
    return static_cast<T>(static_cast<std::int32_t>(round_even(v)));
  }
}

/// `rows` rows of `width` elements.
template <class X, class Y>
void scale_shift(const Int8ScaleShift& a, Index rows) {
  const auto* __restrict x = static_cast<const X*>(a.x);
  auto* __restrict y = static_cast<Y*>(a.y);
  const float* __restrict scale = a.scale, * __restrict shift = a.shift;
  const float lo = a.lo, hi = a.hi;
  const Index width = a.width;  // a copy: what is stored as bytes may be anything else
  for (Index i = 0; i < rows; ++i, x += width, y += width) {
    for (Index c = 0; c < width; ++c) {
      y[c] = result<Y>(static_cast<float>(x[c]) * scale[c] + shift[c], lo, hi);
    }
  }
}

template <class X>
void scale_shift_to(const Int8ScaleShift& a, Index rows) {
  switch (a.y_type) {
    case Int8Type::kU8:
      return scale_shift<X, std::uint8_t>(a, rows);
    case Int8Type::kI8:
      return scale_shift<X, std::int8_t>(a, rows);
    case Int8Type::kF32:
      return scale_shift<X, float>(a, rows);
  }
}

void scale_shift_any(const Int8ScaleShift& a, Index rows) {
  switch (a.x_type) {
    case Int8Type::kU8:
      return scale_shift_to<std::uint8_t>(a, rows);
    case Int8Type::kI8:
      return scale_shift_to<std::int8_t>(a, rows);
    case Int8Type::kF32:
      return scale_shift_to<float>(a, rows);
  }
}

float quantise_filter(const float* __restrict w, Index n, std::int8_t* __restrict q) {
  constexpr float kMost = 127;
  float largest = 0;
#pragma omp simd reduction(max : largest)
  for (Index i = 0; i < n; ++i) {
    const float magnitude = w[i] < 0 ? -w[i] : w[i];
    largest = magnitude > largest ? magnitude : largest;
  }
  const float scale = largest > 0 ? largest / kMost : 1;
  for (Index i = 0; i < n; ++i) q[i] = result<std::int8_t>(w[i] / scale, -kMost, kMost);
  return scale;
}

template <class T>
GRAFT_INLINE void larger(const T* __restrict x, T* __restrict y, Index c) {
  for (Index i = 0; i < c; ++i) y[i] = x[i] > y[i] ? x[i] : y[i];
}

template <class T>
void max_rows(const PoolGeometry& g, const T* x, T* y, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const Index n = row / g.p, h0 = row % g.p * g.stride - g.pad;
    for (Index q = 0; q < g.q; ++q) {
      T* out = y + (row * g.q + q) * g.c;
      bool first = true;
      for (Index h = h0 < 0 ? 0 : h0; h < h0 + g.window && h < g.h; ++h) {
        const Index w0 = q * g.stride - g.pad;
        for (Index w = w0 < 0 ? 0 : w0; w < w0 + g.window && w < g.w; ++w) {
          const T* from = x + ((n * g.h + h) * g.w + w) * g.c;
          if (first) {
            for (Index c = 0; c < g.c; ++c) out[c] = from[c];
          } else {
            larger(from, out, g.c);
          }
          first = false;
        }
      }
    }
  }
}

void max_pool(const PoolGeometry& g, const void* x, void* y, bool is_signed, Index begin,
              Index end) {
  if (is_signed) {
    max_rows(g, static_cast<const std::int8_t*>(x), static_cast<std::int8_t*>(y), begin, end);
  } else {
    max_rows(g, static_cast<const std::uint8_t*>(x), static_cast<std::uint8_t*>(y), begin, end);
  }
}

template <class T>
void sum_examples(const T* x, Index hw, Index c, float scale, std::int32_t* __restrict sums,
                  float* y, Index begin, Index end) {
  for (Index n = begin; n < end; ++n) {
    for (Index i = 0; i < c; ++i) sums[i] = 0;
    for (Index j = 0; j < hw; ++j) {
      const T* __restrict from = x + (n * hw + j) * c;
      for (Index i = 0; i < c; ++i) sums[i] += from[i];
    }
    for (Index i = 0; i < c; ++i) y[n * c + i] = static_cast<float>(sums[i]) * scale;
  }
}

void global_avg(const void* x, bool is_signed, Index hw, Index c, float scale, std::int32_t* sums,
                float* y, Index begin, Index end) {
  if (is_signed) {
    sum_examples(static_cast<const std::int8_t*>(x), hw, c, scale, sums, y, begin, end);
  } else {
    sum_examples(static_cast<const std::uint8_t*>(x), hw, c, scale, sums, y, begin, end);
  }
}

}  // namespace

const Int8Loops kInt8 = {scale_shift_any, quantise_filter, max_pool, global_avg};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
