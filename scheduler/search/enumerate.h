// SPDX-License-Identifier: Apache-2.0
// Searches that go through everything: oracles for the others, on small problems.
#pragma once

#include <optional>

#include "scheduler/search/problem.h"

namespace graft {

/// Every combination of options; of equally good ones, one of the cheapest. Follows the objective,
/// kMaxMin included. Throws Error(kConfig) for more than 10^8 combinations.
[[nodiscard]] std::optional<Choice> solve_exhaustive(const Problem& problem);

/// Every stem (rates that do not rise with depth) within the bounds, with an exact knapsack on
/// each: the authors' shared-stem search. Least total loss. Millions of stems for 16 branch points
/// and 10 rates: minutes at large budgets. Source: spec/mainstream.md section 3.3.
[[nodiscard]] std::optional<Choice> solve_stems(const Problem& problem);

}  // namespace graft
