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

namespace {

/// NaN stays NaN.
GRAFT_INLINE float clamp(float v, float lo, float hi) {
  v = v < lo ? lo : v;
  return v > hi ? hi : v;
}

}  // namespace
}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
