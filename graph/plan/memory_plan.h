// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace graft {

/// One block of memory and the steps, first to last inclusive, in which it must hold.
struct Lifetime {
  std::size_t bytes = 0;
  int first = 0, last = 0;
};

/// Offsets into one arena. Blocks whose lifetimes meet never overlap.
struct MemoryPlan {
  std::vector<std::size_t> offset;  ///< one a lifetime, multiples of 64
  std::size_t bytes = 0;            ///< size of the arena
  std::size_t peak_live = 0;        ///< most bytes alive in one step: no plan can be smaller
};

/// Places the largest block first, each at the lowest free offset that fits (greedy by size;
/// Pisarchyk & Lee 2020). Deterministic.
[[nodiscard]] MemoryPlan plan_memory(std::span<const Lifetime> lifetimes);

}  // namespace graft
