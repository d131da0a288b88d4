// SPDX-License-Identifier: Apache-2.0
#include "scheduler/search/resources.h"

namespace graft {

std::vector<Resource> resources_of(const Problem& problem) {
  const CostModel& costs = *problem.costs;
  Resource cost{.prefix = {}, .per_second = true, .bound = with_slack(problem.settings.budget)};
  for (int k = 0; k <= costs.n_layers(); ++k) cost.prefix.push_back(costs.prefix(k));
  std::vector<Resource> out{cost};
  if (const auto bound = problem.settings.max_latency) {
    out.push_back({.prefix = cost.prefix, .per_second = false, .bound = with_slack(*bound)});
  }
  if (const auto bound = problem.settings.max_memory) {
    Resource memory{.prefix = {}, .per_second = false, .bound = with_slack(*bound)};
    for (int k = 0; k <= costs.n_layers(); ++k) memory.prefix.push_back(costs.memory_prefix(k));
    out.push_back(memory);
  }
  return out;
}

}  // namespace graft
