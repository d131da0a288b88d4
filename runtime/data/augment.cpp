// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/augment.h"

#include <algorithm>

#include "engine/core/error.h"

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

kernels::AugmentRule rule_of(const AugmentOptions& options) {
  return {.pad = options.pad, .flip = options.flip, .cutout = options.cutout};
}

kernels::ImageTransform augment(const AugmentOptions& options, const ImageSize& size,
                                std::uint64_t seed, std::uint32_t epoch, std::int64_t id) {
  GRAFT_CHECK(options.pad >= 0 && options.cutout >= 0, "pad ", options.pad, ", cutout ",
              options.cutout);
  return kernels::draw_transform(rule_of(options), size.height, size.width, seed, epoch, id);
}

}  // namespace graft::data
