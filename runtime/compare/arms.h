// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "runtime/train/train_options.h"

namespace graft::compare {

/// One way to train, next to others.
struct Arm {
  std::string text;  ///< as given, blanks normalised: "sb cache=reuse"
  std::string slug;  ///< its folder: "sb-cache-reuse"
  train::TrainOptions options;
};

/// The folder of an arm's normalised text.
[[nodiscard]] std::string arm_slug(const std::string& text);

/// Arms separated by ';', each a sampler's name followed by key=value pairs: options of training,
/// with '-' or '_', and the sampler's own options. `base` holds what all arms share;
/// its sampler options go to the arms whose sampler has them.
/// Everything that the options say by themselves is checked (train::validate). Throws Error(kUsage)
/// that names the arm and what was probably meant.
[[nodiscard]] std::vector<Arm> parse_arms(const std::string& text, const train::TrainOptions& base);

}  // namespace graft::compare
