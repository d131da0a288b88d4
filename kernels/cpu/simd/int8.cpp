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

/// One window along one axis: the part inside the input, and its length inside the padded input.
struct Span {
  Index begin, end, padded;
};
GRAFT_INLINE Span span(const PoolGeometry& g, Index out, Index extent) {
  const Index start = out * g.stride - g.pad, room = extent + g.pad_end;
  const Index stop = start + g.window < room ? start + g.window : room;
  return {start > 0 ? start : 0, stop < extent ? stop : extent, stop - start};
}

/// Maxima of kTile channels (or, kTile 0, of n) over the pixels of a window, `rows` of `pixels`.
template <Index kTile, class T>
GRAFT_INLINE void max_of_window(const PoolGeometry& g, const T* x, Index rows, Index pixels,
                                Index n, T* __restrict y) {
  constexpr Index kMost = 64;
  T best[kMost];
  const Index count = kTile > 0 ? kTile : n;
  for (Index i = 0; i < count; ++i) best[i] = x[i];
  for (Index h = 0; h < rows; ++h) {
    for (Index w = 0; w < pixels; ++w) {
      const T* __restrict from = x + (h * g.w + w) * g.c;
      for (Index i = 0; i < count; ++i) best[i] = from[i] > best[i] ? from[i] : best[i];
    }
  }
  for (Index i = 0; i < count; ++i) y[i] = best[i];
}

template <class T>
void max_rows(const PoolGeometry& g, const T* x, T* y, Index begin, Index end) {
  constexpr Index kTile = 64;
  for (Index row = begin; row < end; ++row) {
    const Span v = span(g, row % g.p, g.h);
    const T* from = x + (row / g.p * g.h + v.begin) * g.w * g.c;
    for (Index q = 0; q < g.q; ++q) {
      const Span s = span(g, q, g.w);
      const T* window = from + s.begin * g.c;
      T* out = y + (row * g.q + q) * g.c;
      const Index rows = v.end - v.begin, pixels = s.end - s.begin;
      Index c = 0;
      for (; c + kTile <= g.c; c += kTile) {
        max_of_window<kTile>(g, window + c, rows, pixels, kTile, out + c);
      }
      if (c < g.c) max_of_window<0>(g, window + c, rows, pixels, g.c - c, out + c);
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

/// Means of the channels of a window, whose rows are summed already.
template <class T, class Sum>
GRAFT_INLINE void mean_of_columns(const Sum* __restrict columns, Index pixels, Index c, float scale,
                                  T* __restrict y) {
  constexpr Index kTile = 64;
  constexpr float kLo = __is_same(T, std::uint8_t) ? 0 : -128, kHi = kLo + 255;
  Sum sums[kTile];
  for (Index first = 0; first < c; first += kTile) {
    const Index count = c - first < kTile ? c - first : kTile;
    for (Index i = 0; i < count; ++i) sums[i] = columns[first + i];
    for (Index w = 1; w < pixels; ++w) {
      const Sum* __restrict from = columns + w * c + first;
      for (Index i = 0; i < count; ++i) sums[i] = static_cast<Sum>(sums[i] + from[i]);
    }
    for (Index i = 0; i < count; ++i) {
      y[first + i] = result<T>(static_cast<float>(sums[i]) * scale, kLo, kHi);
    }
  }
}

/// A row of outputs sums each column of its windows once.
template <class T, class Sum>
void avg_rows(const PoolGeometry& g, const T* x, T* y, Sum* __restrict columns, Index begin,
              Index end) {
  const Index width = g.w * g.c;
  for (Index row = begin; row < end; ++row) {
    const Span v = span(g, row % g.p, g.h);
    const T* __restrict from = x + (row / g.p * g.h + v.begin) * width;
    for (Index i = 0; i < width; ++i) columns[i] = static_cast<Sum>(from[i]);
    for (Index h = v.begin + 1; h < v.end; ++h) {
      from += width;
      for (Index i = 0; i < width; ++i) columns[i] = static_cast<Sum>(columns[i] + from[i]);
    }
    for (Index q = 0; q < g.q; ++q) {
      const Span s = span(g, q, g.w);
      const Index inside = (v.end - v.begin) * (s.end - s.begin);
      const float size = static_cast<float>(g.count_include_pad ? v.padded * s.padded : inside);
      mean_of_columns(columns + s.begin * g.c, s.end - s.begin, g.c, 1 / size,
                      y + (row * g.q + q) * g.c);
    }
  }
}

void avg_pool(const PoolGeometry& geometry, const void* x, void* y, bool is_signed,
              std::uint16_t* columns, Index begin, Index end) {
  const PoolGeometry g = geometry;
  if (is_signed) {
    avg_rows(g, static_cast<const std::int8_t*>(x), static_cast<std::int8_t*>(y),
             reinterpret_cast<std::int16_t*>(columns), begin, end);
  } else {
    avg_rows(g, static_cast<const std::uint8_t*>(x), static_cast<std::uint8_t*>(y), columns, begin,
             end);
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

const Int8Loops kInt8 = {scale_shift_any, quantise_filter, max_pool, avg_pool, global_avg};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
