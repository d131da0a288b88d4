// SPDX-License-Identifier: Apache-2.0
// The bounded quantities of a problem in one form: each layer of the stem takes its share once.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "scheduler/search/problem.h"

namespace graft {

inline constexpr std::size_t kMaxResources = 3;  // cost, latency, memory

/// One number for each resource of a problem; those that it does not have are 0.
using Amounts = std::array<double, kMaxResources>;

/// A quantity of which layers k..l of the stem take prefix[l] - prefix[k], times the rate of their
/// fastest user if it is counted per second, and a branch the same at its own rate.
struct Resource {
  std::vector<double> prefix;
  bool per_second = false;
  double bound = 0;  ///< with slack

  [[nodiscard]] double segment(int from, int to, double fps) const {
    const double once =
        prefix[static_cast<std::size_t>(to)] - prefix[static_cast<std::size_t>(from)];
    return per_second ? once * fps : fps > 0 ? once : 0;
  }
  [[nodiscard]] double branch(const Placement& p) const {
    return segment(p.frozen, static_cast<int>(prefix.size()) - 1, p.fps);
  }
};

/// The cost first, then latency and memory if they are bounded.
[[nodiscard]] std::vector<Resource> resources_of(const Problem& problem);

}  // namespace graft
