// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/augment.h"

#include <algorithm>

#include "engine/core/error.h"
#include "engine/core/rng.h"

namespace graft::data {

AugmentOptions training_augment(const Dataset& dataset) {
  constexpr int kPadDivisor = 8;  // 4 pixels of 32
  AugmentOptions options = evaluation_augment(dataset);
  options.pad = std::max(1, dataset.image_size().height / kPadDivisor);
  options.flip = dataset.mirror_invariant();
  return options;
}

AugmentOptions evaluation_augment(const Dataset& dataset) {
  AugmentOptions options;
  options.normalization = normalization_of(dataset);
  return options;
}

kernels::ImageTransform augment(const AugmentOptions& options, const ImageSize& size,
                                std::uint64_t seed, std::uint32_t epoch, std::int64_t id) {
  GRAFT_CHECK(options.pad >= 0 && options.cutout >= 0, "pad ", options.pad, ", cutout ",
              options.cutout);
  Philox rng({.seed = seed,
              .purpose = RngPurpose::kAugment,
              .epoch = epoch,
              .id = static_cast<std::uint64_t>(id)});
  const auto offsets = static_cast<std::uint32_t>(2 * options.pad + 1);
  kernels::ImageTransform t;
  t.top = static_cast<std::int32_t>(rng.below(offsets)) - options.pad;
  t.left = static_cast<std::int32_t>(rng.below(offsets)) - options.pad;
  const bool mirrored = rng.below(2) == 1;
  t.flip = options.flip && mirrored ? 1 : 0;
  const auto y = static_cast<int>(rng.below(static_cast<std::uint32_t>(size.height)));
  const auto x = static_cast<int>(rng.below(static_cast<std::uint32_t>(size.width)));
  if (options.cutout == 0) return t;
  const int half = options.cutout / 2;  // as the published Cutout: an odd length loses one pixel
  t.cut_y0 = std::max(y - half, 0);
  t.cut_y1 = std::min(y + half, size.height);
  t.cut_x0 = std::max(x - half, 0);
  t.cut_x1 = std::min(x + half, size.width);
  return t;
}

}  // namespace graft::data
