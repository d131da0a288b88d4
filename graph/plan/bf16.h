// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/plan/inference.h"

namespace graft {

/// An inference graph in bf16: layers that have a form for it get it, with bf16 weights and, where
/// their readers take them, bf16 values; what lies between is cast, once a value. Inputs and
/// outputs stay f32. `inference`: what inference_form() makes; rules are from its parameters.
[[nodiscard]] DerivedGraph bf16_form(const Graph& inference);

}  // namespace graft
