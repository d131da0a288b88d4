// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

namespace graft {

/// Selection probability max(p_min, percentile^beta); 0^0 is 1, so beta 0 selects everything.
/// percentile, p_min in [0, 1]; beta >= 0. For a stationary stream the mean is 1 / (beta + 1).
[[nodiscard]] inline double selection_probability(double percentile, double beta, double p_min) {
  return std::max(p_min, std::pow(percentile, beta));
}

}  // namespace graft
