// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/memory_plan.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "engine/device/memory.h"

namespace graft {
namespace {

std::size_t aligned(std::size_t bytes) {
  constexpr std::size_t kTo = MemoryResource::kAlignment;
  return (bytes + kTo - 1) / kTo * kTo;
}

std::size_t peak_live(std::span<const Lifetime> lifetimes) {
  std::map<int, std::ptrdiff_t> change;
  for (const auto& l : lifetimes) {
    change[l.first] += static_cast<std::ptrdiff_t>(aligned(l.bytes));
    change[l.last + 1] -= static_cast<std::ptrdiff_t>(aligned(l.bytes));
  }
  std::ptrdiff_t live = 0, peak = 0;
  for (const auto& [step, delta] : change) peak = std::max(peak, live += delta);
  return static_cast<std::size_t>(peak);
}

struct Placed {
  std::size_t begin, end;
  const Lifetime* lifetime;
};

std::size_t lowest_fit(const std::vector<Placed>& by_offset, const Lifetime& l) {
  std::size_t at = 0;
  for (const Placed& p : by_offset) {
    if (p.lifetime->last < l.first || l.last < p.lifetime->first) continue;
    if (p.begin >= at + aligned(l.bytes)) break;  // the gap before p is large enough
    at = std::max(at, p.end);
  }
  return at;
}

}  // namespace

MemoryPlan plan_memory(std::span<const Lifetime> lifetimes) {
  MemoryPlan plan;
  plan.offset.resize(lifetimes.size());
  plan.peak_live = peak_live(lifetimes);
  std::vector<std::size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return lifetimes[a].bytes > lifetimes[b].bytes;
  });
  std::vector<Placed> by_offset;
  for (const std::size_t i : order) {
    const std::size_t at = lowest_fit(by_offset, lifetimes[i]);
    const Placed placed{at, at + aligned(lifetimes[i].bytes), &lifetimes[i]};
    plan.offset[i] = at;
    plan.bytes = std::max(plan.bytes, placed.end);
    by_offset.insert(
        std::upper_bound(by_offset.begin(), by_offset.end(), placed,
                         [](const Placed& a, const Placed& b) { return a.begin < b.begin; }),
        placed);
  }
  return plan;
}

}  // namespace graft
