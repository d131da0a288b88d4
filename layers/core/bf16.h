// SPDX-License-Identifier: Apache-2.0
// What graph/plan/bf16.h asks.
#pragma once

#include "layers/core/layer.h"

namespace graft {

/// What a layer can write whose floating inputs and weights are bf16, on Backend::kCpu.
enum class Bf16Output : std::uint8_t {
  kNone,    ///< it has no such form
  kBf16,    ///< bf16 only
  kEither,  ///< bf16 or f32
  kF32,     ///< f32 only
};
[[nodiscard]] Bf16Output bf16_output(const Layer& layer);

/// `layer` on bf16: inputs and weights are, other parameters and depthwise weights f32; y as
/// bf16_output() allows.
/// Parameters derive from those of `layer`. It has no backward.
[[nodiscard]] LayerPtr in_bf16(LayerPtr layer, DType y);

/// The layer that turns f32 into bf16, or back.
[[nodiscard]] LayerPtr bf16_cast(DType to);

}  // namespace graft
