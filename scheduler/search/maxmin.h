// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>

#include "scheduler/search/problem.h"

namespace graft {

/// A search for the least total loss.
using Solver = std::function<std::optional<Choice>(const Problem&)>;

/// The schedule whose smallest F1 is largest, exactly, and of all such the one that `solve` finds
/// best: bisection over the F1 values of the options; whether all can have at least t is a question
/// of the cheapest schedule, with no knapsack in it. Nothing if no schedule fits. Source:
/// spec/mainstream.md section 3.5.
[[nodiscard]] std::optional<Choice> maximise_minimum(const Problem& problem, const Solver& solve);

/// The largest smallest F1 of any schedule, or nothing if none fits.
[[nodiscard]] std::optional<double> best_minimum(const Problem& problem);

}  // namespace graft
