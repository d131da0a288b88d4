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
GRAFT_INLINE Vec& at(float* p) { return *reinterpret_cast<Vec*>(p); }

}  // namespace
}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
