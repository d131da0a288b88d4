// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/model/score.h"

namespace graft {

/// `model` in bf16 (graph/plan/bf16.h): weights folded in f64, then rounded. Nothing is calibrated.
/// Throws Error(kUsage) for a model that is not f32, Error(kUnsupported) for one that does not
/// fold.
[[nodiscard]] Model make_bf16(Context& ctx, Model& model);

struct Bf16Report {
  std::int64_t images = 0;
  Score f32, bf16;
};

/// make_bf16() of a classifier, measured beside `model`. Throws as it does, and Error(kUnsupported)
/// for a feature extractor and where the processor has no bf16, Error(kData) for an empty set.
[[nodiscard]] Model convert_to_bf16(Context& ctx, Model& model, const ImageSet& validation,
                                    Bf16Report& report);

[[nodiscard]] Json to_json(const Bf16Report& report);

}  // namespace graft
