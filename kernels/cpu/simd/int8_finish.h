// SPDX-License-Identifier: Apache-2.0
// From 32-bit sums to results, for the sources that need AVX-512 VNNI; private to this folder.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/simd/vec.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

using Byte = std::uint8_t;

constexpr Byte kSignBit = 0x80;  // signed bytes with this flipped are unsigned ones, 128 larger

GRAFT_INLINE __m512 load_residual(const Int8ConvArgs& a, Index at, __mmask16 mask) {
  if (a.residual_type == Int8Type::kF32) {
    return _mm512_maskz_loadu_ps(mask, static_cast<const float*>(a.residual) + at);
  }
  const __m128i q = _mm_maskz_loadu_epi8(mask, static_cast<const Byte*>(a.residual) + at);
  return _mm512_cvtepi32_ps(a.residual_type == Int8Type::kU8 ? _mm512_cvtepu8_epi32(q)
                                                             : _mm512_cvtepi8_epi32(q));
}

/// Stores the lanes of `mask`. A masked store takes many cycles (Zen 4), so full ones go apart.
GRAFT_INLINE void store(const Int8ConvArgs& a, Index at, __mmask16 mask, __m512 y) {
  constexpr __mmask16 kAll = 0xFFFF;
  if (a.y_type == Int8Type::kF32) {
    float* to = static_cast<float*>(a.y) + at;
    if (mask == kAll) {
      _mm512_storeu_ps(to, y);
    } else {
      _mm512_mask_storeu_ps(to, mask, y);
    }
    return;
  }
  const __m512i wide = _mm512_cvtps_epi32(y);
  const __m128i q =
      a.y_type == Int8Type::kU8 ? _mm512_cvtusepi32_epi8(wide) : _mm512_cvtsepi32_epi8(wide);
  Byte* to = static_cast<Byte*>(a.y) + at;
  if (mask == kAll) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), q);
  } else {
    _mm_mask_storeu_epi8(to, mask, q);
  }
}

/// Scales, adds, clamps, rounds and stores kLanes sums, of the filters [k, k + kLanes) out of
/// `filters`, at element `at`.
GRAFT_INLINE void finish(const Int8ConvArgs& a, Index filters, Index k, Index at, __m512i sum) {
  const Index left = filters - k;
  const auto mask = static_cast<__mmask16>(left >= kLanes ? 0xFFFFU : (1U << left) - 1);
  sum = _mm512_add_epi32(sum, _mm512_loadu_si512(a.start + k));
  __m512 y = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(a.scale + k),
                             _mm512_loadu_ps(a.shift + k));
  if (a.residual != nullptr) {
    y = _mm512_fmadd_ps(load_residual(a, at, mask), _mm512_set1_ps(a.residual_scale), y);
  }
  y = _mm512_min_ps(_mm512_max_ps(y, _mm512_set1_ps(a.lo)), _mm512_set1_ps(a.hi));
  store(a, at, mask, y);
}

}  // namespace
}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
