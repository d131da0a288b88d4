// SPDX-License-Identifier: Apache-2.0
// Augmented batches out of a data set that lies on the device as bytes.
#pragma once

#include <cstdint>

#include "engine/core/rng.h"
#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "kernels/api/image_ops.h"

namespace graft::kernels {

/// What may happen to an image of a training set; the defaults change nothing.
struct AugmentRule {
  int pad = 0;        ///< random crop of the original size after padding by this much
  bool flip = false;  ///< mirror left-right, one time in two
  int cutout = 0;     ///< side of one square set to 0, clipped at the border
};

/// A pure function of its arguments, by Philox (seed, kAugment, epoch, id); every random number has
/// its own place in the stream, so switching one part off leaves the others as they were. The same
/// on host and device.
GRAFT_HD inline ImageTransform draw_transform(const AugmentRule& rule, int height, int width,
                                              std::uint64_t seed, std::uint32_t epoch,
                                              std::int64_t id) {
  const RngKey key{.seed = seed,
                   .purpose = RngPurpose::kAugment,
                   .epoch = epoch,
                   .id = static_cast<std::uint64_t>(id)};
  const auto below = [](std::uint32_t word, int n) {  // Philox::below
    return static_cast<int>((std::uint64_t{word} * static_cast<std::uint32_t>(n)) >> 32);
  };
  const auto words = philox_block(key, 0);
  ImageTransform t;
  t.top = below(words[0], 2 * rule.pad + 1) - rule.pad;
  t.left = below(words[1], 2 * rule.pad + 1) - rule.pad;
  t.flip = rule.flip && below(words[2], 2) == 1 ? 1 : 0;
  if (rule.cutout == 0) return t;
  const int y = below(words[3], height), x = below(philox_block(key, 1)[0], width);
  const int half = rule.cutout / 2;  // as the published Cutout: an odd length loses one pixel
  t.cut_y0 = y - half > 0 ? y - half : 0;
  t.cut_y1 = y + half < height ? y + half : height;
  t.cut_x0 = x - half > 0 ? x - half : 0;
  t.cut_x1 = x + half < width ? x + half : width;
  return t;
}

/// A data set on the context's device.
struct DeviceImages {
  Tensor images;  ///< (M,H,W,3) u8; may have 2^31 elements and more
  Tensor labels;  ///< (M) i32
  Tensor table;   ///< (3,256) f32: an ImageTable
};

/// x[i] = image id[i] under draw_transform(rule, H, W, seed, epoch[i], id[i]), through the table;
/// y[i] = its label. id (N) i64, in [0, M); epoch (N) i32, the bits of a u32; x (N,H,W,3) f32 or
/// bf16; y (N) i32; all on the device, so that the call may be recorded. On Backend::kCuda only;
/// bit by bit what u8_to_float makes of the same transforms. Does not synchronise.
void augment_rows(Context& ctx, const AugmentRule& rule, std::uint64_t seed,
                  const DeviceImages& data, const Tensor& id, const Tensor& epoch, Tensor& x,
                  Tensor& y);

}  // namespace graft::kernels
