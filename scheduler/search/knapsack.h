// SPDX-License-Identifier: Apache-2.0
// Multiple-choice knapsack: one item of each group, least total loss within the capacities. Exact.
#pragma once

#include <optional>
#include <vector>

#include "scheduler/search/resources.h"

namespace graft {

struct KnapsackItem {
  double loss = 0;
  Amounts use{};
  int tag = 0;  ///< the caller's
};

/// Items by ascending use[0].
using KnapsackGroup = std::vector<KnapsackItem>;

struct KnapsackSolution {
  double loss = 0;
  std::vector<int> tags;  ///< of the item of each group
};

/// Dynamic programming over groups; states that cannot beat `below` by their Lagrangian completion,
/// or that another dominates, are dropped. `prices` of resources 1, 2, ... may be any >= 0 (they
/// only steer the bound); that of resource 0 is found here. Nothing if no solution has a loss <
/// `below`.
[[nodiscard]] std::optional<KnapsackSolution> solve_knapsack(std::vector<KnapsackGroup> groups,
                                                             std::size_t n_resources,
                                                             const Amounts& capacity,
                                                             const Amounts& prices, double below);

}  // namespace graft
