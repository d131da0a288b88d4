// SPDX-License-Identifier: Apache-2.0
// How good a model is on a set of images, alone and beside the model that it stands for.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/io/json.h"
#include "runtime/model/image_set.h"

namespace graft {

/// Outputs of a model on every image of a set, one row each.
struct Outputs {
  std::vector<float> values;
  std::int64_t width = 0;

  [[nodiscard]] std::int64_t images() const {
    return static_cast<std::int64_t>(values.size()) / width;
  }
  [[nodiscard]] const float* row(std::int64_t i) const { return values.data() + i * width; }
};

/// Runs the first `count` images (all, if there are not more). Throws Error(kNumerical) for an
/// output that is not finite.
[[nodiscard]] Outputs outputs_on(Context& ctx, Model& model, const ImageSet& set,
                                 std::int64_t count);

struct Score {
  std::optional<double> top1, top5;  ///< share of images, in percent; of labelled sets
  double agreement = 100;            ///< percent of images whose first class is the reference's
  double sqnr_db = 0;  ///< power of the reference's outputs over that of the difference, each row
                       ///< without its mean; infinite if they are the same
};
/// `labels`: of the first images, or empty.
[[nodiscard]] Score score_of(const Outputs& outputs, const Outputs& reference,
                             const std::vector<int>& labels);

[[nodiscard]] Json to_json(const Score& score);

}  // namespace graft
