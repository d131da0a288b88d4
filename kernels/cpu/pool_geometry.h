// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/tensor/shape.h"
#include "kernels/api/pool.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels::cpu {

/// x (N,H,W,C) into y (N,P,Q,C).
inline simd::PoolGeometry pool_geometry(const PoolOptions& o, const Shape& x, const Shape& y) {
  return {.h = x[1],
          .w = x[2],
          .c = x[3],
          .p = y[1],
          .q = y[2],
          .window = o.window,
          .stride = o.stride,
          .pad = o.pad,
          .pad_end = o.trailing_pad(),
          .count_include_pad = o.count_include_pad};
}

}  // namespace graft::kernels::cpu
