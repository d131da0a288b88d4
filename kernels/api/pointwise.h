// SPDX-License-Identifier: Apache-2.0
// Element-wise operators and moves of channels. All deterministic, bound by memory. On
// Backend::kCpu activation_fwd, add_fwd, concat_fwd and subsample_pad_fwd take bf16 as well.
#pragma once

#include <cstdint>
#include <span>

#include "engine/core/rng.h"
#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "kernels/api/common.h"

namespace graft::kernels {

/// y = act(x).  y may be x.
void activation_fwd(Context& ctx, Activation act, const Tensor& x, Tensor& y);
/// dx = dy where 0 < y (and y < 6 for kRelu6), else 0; by `mode`.  dx may be dy (kOverwrite).
void activation_bwd(Context& ctx, Activation act, const Tensor& y, const Tensor& dy, GradMode mode,
                    Tensor& dx);

/// y = act(a + b).  y may be a or b.
void add_fwd(Context& ctx, Activation act, const Tensor& a, const Tensor& b, Tensor& y);
/// y += x.
void accumulate(Context& ctx, const Tensor& x, Tensor& y);
/// y *= factor.
void scale(Context& ctx, double factor, Tensor& y);
/// y = x, same shape.
void copy(Context& ctx, const Tensor& x, Tensor& y);
/// y = x, same shape, between f32 and bf16 (rounded to the nearest, ties to even).
void cast(Context& ctx, const Tensor& x, Tensor& y);

/// y (..., sum C_i) = x_i (..., C_i) side by side on the last axis; forward: also u8|i8.
void concat_fwd(Context& ctx, std::span<const Tensor> x, Tensor& y);
/// dx_i by mode_i; kSkip leaves dx_i alone.
void concat_bwd(Context& ctx, const Tensor& dy, std::span<const GradMode> mode,
                std::span<Tensor> dx);

/// Dropout that is a pure function of (seed, epoch, example id, layer, element): the same whatever
/// the batch and the thread count. y = x / (1-p) where kept, else 0.  y may be x.
struct DropoutKeys {
  std::uint64_t seed = 0;
  std::uint32_t layer = 0;                ///< below 4096
  std::span<const std::uint32_t> epoch;   ///< one a row
  std::span<const std::int64_t> example;  ///< one a row
  bool on_device = false;  ///< the spans lie on the context's device; on Backend::kCuda only
};
/// Row elements: at most 2^22. Word j of Philox block (layer << 20 | i/4) decides element i =
/// 4*block+j: kept where to_unit_float(word) >= p.
void dropout(Context& ctx, double p, const DropoutKeys& keys, const Tensor& x, Tensor& y);

/// Parameter-free shortcut of CIFAR ResNets ("option A", He et al. 2016): y[n,h,w,pad+c] =
/// x[n,h*stride,w*stride,c], other channels zero.  pad = (K - C) / 2.  x (N,H,W,C) -> y
/// (N,ceil(H/s),ceil(W/s),K); forward: also u8|i8.
void subsample_pad_fwd(Context& ctx, int stride, const Tensor& x, Tensor& y);
void subsample_pad_bwd(Context& ctx, int stride, const Tensor& dy, GradMode mode, Tensor& dx);

}  // namespace graft::kernels
