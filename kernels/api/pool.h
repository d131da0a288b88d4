// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "kernels/api/common.h"

namespace graft::kernels {

// Forward operators take bf16 on Backend::kCpu as well, for inference.

struct PoolOptions {
  int window = 2;
  int stride = 2;
  int pad = 0;                    ///< on all four sides; at most window / 2
  bool ceil_mode = false;         ///< last window may start inside and end outside the input
  bool count_include_pad = true;  ///< average pooling divides by window^2 even at the border
  int pad_end = -1;               ///< bottom and right, below window; -1: as pad

  [[nodiscard]] int trailing_pad() const { return pad_end < 0 ? pad : pad_end; }
};

/// Shape (N,P,Q,C) of the output for x (N,H,W,C).
[[nodiscard]] Shape pool_output_shape(const PoolOptions& options, const Shape& x);

/// index (N,P,Q,C) u8: place of the maximum in its window (r * window + s), the first among equals;
/// may be empty when no backward follows. window <= 15.
void max_pool_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y,
                  Tensor& index);
void max_pool_bwd(Context& ctx, const PoolOptions& options, const Tensor& dy, const Tensor& index,
                  GradMode mode, Tensor& dx);

void avg_pool_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y);
void avg_pool_bwd(Context& ctx, const PoolOptions& options, const Tensor& dy, GradMode mode,
                  Tensor& dx);

/// x (N,H,W,C) -> y (N,C), mean over (H,W).  On Backend::kCpu y is f32 where x is bf16.
void global_avg_pool_fwd(Context& ctx, const Tensor& x, Tensor& y);
void global_avg_pool_bwd(Context& ctx, const Tensor& dy, GradMode mode, Tensor& dx);

}  // namespace graft::kernels
