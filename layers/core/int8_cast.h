// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "layers/core/layer.h"

namespace graft {

/// The layer that turns f32 into u8|i8 (buffer "y_scale") or back (buffer "x_scale").
[[nodiscard]] LayerPtr int8_cast(DType from, DType to);

}  // namespace graft
