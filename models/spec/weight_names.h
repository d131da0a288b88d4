// SPDX-License-Identifier: Apache-2.0
// Names and axis orders under which others publish weights.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/spec/model_spec.h"

namespace graft {

/// Order of a published tensor's axes; graft's archives hold (K, C/groups, R, S) and (K, C).
enum class WeightAxes : std::uint8_t {
  kSame,
  kRsck,  ///< Keras' convolutions: (R, S, C, K)
  kRsc1,  ///< Keras' depthwise convolutions: (R, S, C, 1) for (C, 1, R, S)
  kCk,  ///< Keras' dense layers; also (1, 1, C, K) for a dense layer that Keras has as convolution
};

struct WeightName {
  std::string name;  ///< graft's; empty: nothing that evaluation needs
  WeightAxes axes = WeightAxes::kSame;
};

/// What `published` is called in graft's `spec`. Knows torchvision's names (graft's own), Keras'
/// (LAYER/VARIABLE) and timm's MobileNetV2. Counters of batches and auxiliary classifiers have no
/// name. `rank`: of the published tensor. A name of none of these kinds comes back unchanged.
[[nodiscard]] WeightName native_name(const ModelSpec& spec, std::string_view published, int rank);

/// Shape of the published tensor `dims` in graft's order, and for every element of that order its
/// place in the published one. Empty if `dims` does not have the rank that `axes` needs.
struct AxisMap {
  std::vector<std::int64_t> dims;
  std::vector<std::int64_t> from;  ///< empty for kSame
};
[[nodiscard]] AxisMap axis_map(WeightAxes axes, const std::vector<std::int64_t>& dims);

}  // namespace graft
