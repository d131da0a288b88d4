// SPDX-License-Identifier: Apache-2.0
// Heuristics that move one application at a time. Source: spec/mainstream.md section 3.1.
#pragma once

#include <optional>

#include "scheduler/search/problem.h"

namespace graft {

/// Every application at its most frozen layers, and of these at its lowest rate.
[[nodiscard]] Choice most_sharing(const Problem& problem);

/// From most sharing at the lowest rate, makes the affordable move with the largest gain of the
/// objective for its cost until there is none (Alg. 2 of the thesis; moves that do not fit are
/// skipped). Nothing if neither that start nor the cheapest schedule fits.
[[nodiscard]] std::optional<Choice> solve_greedy(const Problem& problem);

/// The authors' program: ranks moves by (1 - F1) / cost of the branch, both after the move, and
/// moves applications that are equal in everything but their name together. The start may be over
/// budget; the result is then the start. Ignores the objective.
[[nodiscard]] Choice solve_greedy_code(const Problem& problem);

/// One application after another, in the manner of VideoStorm: each takes the option that is best
/// for itself within an equal share of the budget beyond the cheapest schedule; layers that are
/// shared already cost it nothing, but nobody chooses for the sake of those that follow. Nothing if
/// the cheapest schedule does not fit.
[[nodiscard]] std::optional<Choice> solve_independent(const Problem& problem);

}  // namespace graft
