// SPDX-License-Identifier: Apache-2.0
#include "scheduler/search/maxmin.h"

#include <algorithm>
#include <vector>

#include "scheduler/search/admission.h"

namespace graft {
namespace {

Problem at_least(const Problem& problem, double f1) {
  return problem.filtered([f1](std::size_t, const Option& o) { return o.quality.f1 >= f1; });
}

}  // namespace

std::optional<double> best_minimum(const Problem& problem) {
  if (!is_feasible(problem)) return std::nullopt;
  std::vector<double> values{0.0};
  for (const AppOptions& app : problem.apps) {
    for (const Option& o : app.options) values.push_back(o.quality.f1);
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  // values[low] is reached, values[high] is not.
  std::size_t low = 0, high = values.size();
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    (is_feasible(at_least(problem, values[middle])) ? low : high) = middle;
  }
  return values[low];
}

std::optional<Choice> maximise_minimum(const Problem& problem, const Solver& solve) {
  const auto f1 = best_minimum(problem);
  if (!f1) return std::nullopt;
  return solve(at_least(problem, *f1));
}

}  // namespace graft
