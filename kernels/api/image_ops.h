// SPDX-License-Identifier: Apache-2.0
// u8 images to network input: crop out of a zero-padded frame, flip, normalise, cut out.
#pragma once

#include <cstdint>
#include <span>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"

namespace graft::kernels {

/// What happens to one image. The source is thought to be padded with black; the crop's top left
/// corner is at (top, left) of the source, which may be negative.
struct ImageTransform {
  std::int32_t top = 0, left = 0;
  std::int32_t flip = 0;  ///< 1: mirror left-right
  std::int32_t cut_y0 = 0,
               cut_y1 = 0;  ///< cutout rows [y0, y1) of the output, 0 after normalisation
  std::int32_t cut_x0 = 0, cut_x1 = 0;
};

/// Normalised value of every possible pixel of every channel. A table, so that every backend gives
/// the same bits whatever it contracts into fused multiply-adds.
struct ImageTable {
  float value[3][256] = {};
};

/// value[c][u] = (u / 255 - mean[c]) / stddev[c], computed in f64.
[[nodiscard]] ImageTable image_table(const double (&mean)[3], const double (&stddev)[3]);

/// y[n,p,q,c] = table.value[c][pixel of x under transform n]; black outside the source, 0 in the
/// cutout. x (N,H,W,3) u8; transform: N; y (N,P,Q,3) f32 (or bf16 on
/// Backend::kCuda).
void u8_to_float(Context& ctx, std::span<const ImageTransform> transform, const ImageTable& table,
                 const Tensor& x, Tensor& y);

}  // namespace graft::kernels
