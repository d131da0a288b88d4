// SPDX-License-Identifier: Apache-2.0
// kChannelLanes neighbouring channels of one pixel as a vector; private to this folder.
#pragma once

#include "kernels/cpu/simd/isa.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

constexpr Index kLanes = kChannelLanes;

/// kLanes floats at any address; one register with AVX-512, several elsewhere.
using Vec
    [[gnu::vector_size(kLanes * sizeof(float)), gnu::aligned(alignof(float)), gnu::may_alias]] =
        float;

GRAFT_INLINE const Vec& load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
/// v clamped to [lo, hi]; NaN stays NaN.
GRAFT_INLINE void clamp(Vec& v, float lo, float hi) {
  const Vec lows = lo - Vec{}, highs = hi - Vec{};
  v = v < lows ? lows : v;
  v = v > highs ? highs : v;
}
GRAFT_INLINE Vec& at(float* p) { return *reinterpret_cast<Vec*>(p); }

}  // namespace
}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
