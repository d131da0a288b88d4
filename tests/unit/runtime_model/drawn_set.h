// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "runtime/model/drawn_images.h"
#include "runtime/model/score.h"

namespace graft::testing {

/// Networks that have every layer with a form in less precision.
inline constexpr const char* kReducedModels[] = {"small_cnn",        "resnet8",
                                                 "wrn-10-1",         "mobilenet_v2:width=0.25",
                                                 "densenet-bc-10-4", "squeezenet1_1"};

inline ImageSet drawn_set(int side, int count) {
  return {.source = "drawn", .images = drawn_images(side, side, count), .labels = {}};
}

/// The set with the model's own answers as labels.
inline ImageSet labelled_by(Context& ctx, Model& model, ImageSet set) {
  const Outputs y = outputs_on(ctx, model, set, set.size());
  for (std::int64_t i = 0; i < y.images(); ++i) {
    set.labels.push_back(
        static_cast<int>(std::max_element(y.row(i), y.row(i) + y.width) - y.row(i)));
  }
  return set;
}

}  // namespace graft::testing
