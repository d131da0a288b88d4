// SPDX-License-Identifier: Apache-2.0
// From 32-bit sums to results, for the sources that need AVX-512 VNNI; private to this folder.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/simd/vec.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

using Byte = std::uint8_t;

constexpr Byte kSignBit = 0x80;  // signed bytes with this flipped are unsigned ones, 128 larger

/// What turns the sums of kLanes filters into results, by value: stores of bytes may alias anything
/// that is read through a pointer.
struct Finish {
  __m512i start;
  __m512 scale, shift, residual_scale, lo, hi;
  const void* residual;
  void* y;
  __mmask16 mask;  ///< of the filters that exist
};

/// For the filters [k, k + kLanes) out of `filters`.
GRAFT_INLINE Finish finish_of(const Int8ConvArgs& a, Index filters, Index k) {
  const Index left = filters - k;
  return {_mm512_loadu_si512(a.start + k),
          _mm512_loadu_ps(a.scale + k),
          _mm512_loadu_ps(a.shift + k),
          _mm512_set1_ps(a.residual_scale),
          _mm512_set1_ps(a.lo),
          _mm512_set1_ps(a.hi),
          a.residual,
          a.y,
          static_cast<__mmask16>(left >= kLanes ? 0xFFFFU : (1U << left) - 1)};
}

/// `kWhole`: all kLanes are there.
template <Int8Type kType, bool kWhole = false>
GRAFT_INLINE __m512 load_residual(const Finish& f, Index at) {
  if constexpr (kType == Int8Type::kF32) {
    const float* from = static_cast<const float*>(f.residual) + at;
    return kWhole ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(f.mask, from);
  } else {
    const Byte* from = static_cast<const Byte*>(f.residual) + at;
    const __m128i q = kWhole ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))
                             : _mm_maskz_loadu_epi8(f.mask, from);
    return _mm512_cvtepi32_ps(kType == Int8Type::kU8 ? _mm512_cvtepu8_epi32(q)
                                                     : _mm512_cvtepi8_epi32(q));
  }
}

/// Stores at element `at`. A masked store takes many cycles (Zen 4), so full ones go apart.
template <Int8Type kType>
GRAFT_INLINE void store(const Finish& f, Index at, __m512 y) {
  constexpr __mmask16 kAll = 0xFFFF;
  if constexpr (kType == Int8Type::kF32) {
    float* to = static_cast<float*>(f.y) + at;
    if (f.mask == kAll) {
      _mm512_storeu_ps(to, y);
    } else {
      _mm512_mask_storeu_ps(to, f.mask, y);
    }
  } else {
    const __m512i wide = _mm512_cvtps_epi32(y);
    const __m128i q =
        kType == Int8Type::kU8 ? _mm512_cvtusepi32_epi8(wide) : _mm512_cvtsepi32_epi8(wide);
    Byte* to = static_cast<Byte*>(f.y) + at;
    if (f.mask == kAll) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), q);
    } else {
      _mm_mask_storeu_epi8(to, f.mask, q);
    }
  }
}

/// Scales, adds, clamps, rounds and stores kLanes sums at element `at`. `kNone`: no residual.
template <Int8Type kY, bool kNone, Int8Type kResidual>
GRAFT_INLINE void finish(const Finish& f, Index at, __m512i sum) {
  sum = _mm512_add_epi32(sum, f.start);
  __m512 y = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), f.scale, f.shift);
  if constexpr (!kNone) y = _mm512_fmadd_ps(load_residual<kResidual>(f, at), f.residual_scale, y);
  store<kY>(f, at, _mm512_min_ps(_mm512_max_ps(y, f.lo), f.hi));
}

constexpr Index kTogether = 4;  // sums of finish_together()

/// finish() of neighbouring pixels, `step` elements apart, to 8 bits and without a mask: the
/// packing instructions saturate, and narrow four registers at a time.
template <Int8Type kY, bool kNone, Int8Type kResidual>
GRAFT_INLINE void finish_together(const Finish& f, Index at, Index step, const __m512i* sums) {
  __m512i q[kTogether];
#pragma GCC unroll 4
  for (Index i = 0; i < kTogether; ++i) {
    const __m512i sum = _mm512_add_epi32(sums[i], f.start);
    __m512 y = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), f.scale, f.shift);
    if constexpr (!kNone) {
      y = _mm512_fmadd_ps(load_residual<kResidual, true>(f, at + i * step), f.residual_scale, y);
    }
    // NaN passes the minimum and becomes the lowest integer; for u8 packing clamps at lo = 0.
    y = _mm512_min_ps(f.hi, y);
    if constexpr (kY == Int8Type::kI8) y = _mm512_max_ps(y, f.lo);
    q[i] = _mm512_cvtps_epi32(y);
  }
  const __m512i a = _mm512_packs_epi32(q[0], q[1]), b = _mm512_packs_epi32(q[2], q[3]);
  const __m512i bytes = kY == Int8Type::kU8 ? _mm512_packus_epi16(a, b) : _mm512_packs_epi16(a, b);
  // Packing leaves four channels of each of the four in every 128 bits.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i rows = _mm512_permutexvar_epi32(order, bytes);
  Byte* to = static_cast<Byte*>(f.y) + at;
  const auto put = [&](Index i, __m128i row) __attribute__((always_inline)) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * step), row);
  };
  put(0, _mm512_castsi512_si128(rows));
  put(1, _mm512_extracti32x4_epi32(rows, 1));
  put(2, _mm512_extracti32x4_epi32(rows, 2));
  put(3, _mm512_extracti32x4_epi32(rows, 3));
}

/// f.template operator()<kY, kNone, kResidual>() for the types of one call: chosen once, so that
/// loops have no cases.
template <Int8Type kY, class F>
GRAFT_INLINE auto with_residual_type(const Int8ConvArgs& a, F f) {
  if (a.residual == nullptr) return f.template operator()<kY, true, Int8Type::kF32>();
  switch (a.residual_type) {
    case Int8Type::kU8:
      return f.template operator()<kY, false, Int8Type::kU8>();
    case Int8Type::kI8:
      return f.template operator()<kY, false, Int8Type::kI8>();
    case Int8Type::kF32:
      break;
  }
  return f.template operator()<kY, false, Int8Type::kF32>();
}
template <class F>
GRAFT_INLINE auto with_types(const Int8ConvArgs& a, F f) {
  switch (a.y_type) {
    case Int8Type::kU8:
      return with_residual_type<Int8Type::kU8>(a, f);
    case Int8Type::kI8:
      return with_residual_type<Int8Type::kI8>(a, f);
    case Int8Type::kF32:
      break;
  }
  return with_residual_type<Int8Type::kF32>(a, f);
}

}  // namespace
}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
