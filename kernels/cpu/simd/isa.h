// SPDX-License-Identifier: Apache-2.0
// What every loop source needs; private to this folder.
#pragma once

#include "kernels/cpu/simd/simd.h"

#ifndef GRAFT_SIMD_ISA
#error "compile with -DGRAFT_SIMD_ISA=<namespace>: kernels/cpu/CMakeLists.txt does"
#endif

#define GRAFT_INLINE [[gnu::always_inline]] inline

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {

extern const PointwiseLoops kPointwise;
extern const DropoutLoops kDropout;
extern const OptimLoops kOptim;
extern const NormLoops kNorm;
extern const PoolLoops kPool;
extern const DepthwiseLoops kDepthwise;
extern const Int8Loops kInt8;
extern const Conv1x1Loops kConv1x1;  // only with AVX-512, as is the next
extern const WinogradLoops kWinograd;
extern const Int8ConvLoops kInt8Conv;  // only with AVX-512 VNNI, as is the next
extern const Int8DepthwiseLoops kInt8Depthwise;

namespace {

/// NaN stays NaN.
GRAFT_INLINE float clamp(float v, float lo, float hi) {
  v = v < lo ? lo : v;
  return v > hi ? hi : v;
}

GRAFT_INLINE float widen(float v) { return v; }
GRAFT_INLINE float widen(Bf16 v) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(v.bits) << 16);
}
/// v as a T; a NaN stays one.
template <class T>
GRAFT_INLINE T narrow(float v) {
  if constexpr (__is_same(T, Bf16)) {
    const auto bits = __builtin_bit_cast(std::uint32_t, v);
    const std::uint32_t quiet = bits >> 16 | 0x40, even = bits >> 16 & 1;
    return {static_cast<std::uint16_t>(v != v ? quiet : (bits + 0x7FFF + even) >> 16)};
  } else {
    return v;
  }
}

/// keep ? v : 0. As an AND: compilers turn the plain choice into a load that waits for the
/// condition, which halves the speed of loops bound by memory.
GRAFT_INLINE float keep_if(bool keep, float v) {
  const std::uint32_t all = keep ? ~std::uint32_t{0} : 0;
  return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, v) & all);
}

}  // namespace
}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
