// SPDX-License-Identifier: Apache-2.0
// The best schedule, proved: Lagrangian branch and bound over stem envelopes, an exact knapsack on
// each envelope that may hold the optimum. Source: spec/mainstream.md section 3.6.
#pragma once

#include <optional>

#include "scheduler/search/problem.h"

namespace graft {

/// The schedule of least total loss within the bounds (to 1e-9), or nothing if none fits.
[[nodiscard]] std::optional<Choice> solve_exact(const Problem& problem);

/// A lower bound of the total loss of any schedule; infinite if none fits.
[[nodiscard]] double loss_bound(const Problem& problem);

/// The schedule that takes least of the resource in position `resource` (0: cost), whatever else it
/// takes. Every application must have an option.
[[nodiscard]] Choice cheapest(const Problem& problem, std::size_t resource = 0);

}  // namespace graft
