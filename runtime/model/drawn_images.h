// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "engine/io/image.h"

namespace graft {

/// Images drawn by formula, the same everywhere, for checks and timings where no real ones are at
/// hand: noise and smooth waves in turn.
[[nodiscard]] std::vector<ImageU8> drawn_images(int height, int width, int count);

}  // namespace graft
