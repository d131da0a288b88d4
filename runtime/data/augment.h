// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/api/augment.h"
#include "kernels/api/image_ops.h"
#include "runtime/data/dataset.h"

namespace graft::data {

/// What happens to an image on its way into the network. The defaults change nothing but the scale:
/// that is what evaluation uses.
struct AugmentOptions {
  int pad = 0;        ///< random crop of the original size after padding by this much, 0: none
  bool flip = false;  ///< mirror left-right, one time in two
  int cutout = 0;  ///< side of one square that is set to the mean, clipped at the border; 0: none
  Normalization normalization = {};
};

/// Random crop (pad 4 at 32 x 32, in proportion else) and mirroring where the classes allow it: the
/// usual recipe of the CIFAR papers, without cutout.
[[nodiscard]] AugmentOptions training_augment(const Dataset& dataset);
/// Only the normalisation.
[[nodiscard]] AugmentOptions evaluation_augment(const Dataset& dataset);

/// The random part of `options`.
[[nodiscard]] kernels::AugmentRule rule_of(const AugmentOptions& options);

/// kernels::draw_transform() of one example.
[[nodiscard]] kernels::ImageTransform augment(const AugmentOptions& options, const ImageSize& size,
                                              std::uint64_t seed, std::uint32_t epoch,
                                              std::int64_t id);

}  // namespace graft::data
