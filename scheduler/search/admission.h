// SPDX-License-Identifier: Apache-2.0
// Whether a set of applications can be run at all, and which of them if not all.
#pragma once

#include <string>
#include <vector>

#include "scheduler/search/problem.h"

namespace graft {

/// Whether any schedule is within the bounds.
[[nodiscard]] bool is_feasible(const Problem& problem);

/// The applications at `index` alone.
[[nodiscard]] Problem subset(const Problem& problem, const std::vector<std::size_t>& index);

struct Admission {
  std::vector<std::size_t> admitted, rejected;  ///< indices, ascending
};

/// Goes through the applications in order and admits each that fits beside those admitted before.
[[nodiscard]] Admission admit(const Problem& problem);

/// In words: what does not fit, and what would.
[[nodiscard]] std::string describe_refusal(const Problem& problem);

}  // namespace graft
