// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "runtime/report/comparison.h"

namespace graft::report {

/// A state that some run was in at the end of an epoch.
struct ParetoPoint {
  double seconds = 0;  ///< of training
  double error = 0;
  std::size_t group = 0;
};

/// The states of all runs of which no other one has both less time and less error, by time.
[[nodiscard]] std::vector<ParetoPoint> pareto_front(std::span<const Group> groups);

/// The part of the front that belongs to each group; all 0 for an empty front.
[[nodiscard]] std::vector<double> pareto_shares(std::span<const ParetoPoint> front,
                                                std::size_t groups);

}  // namespace graft::report
