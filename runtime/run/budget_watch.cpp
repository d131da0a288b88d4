// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/budget_watch.h"

#include <cmath>

namespace graft::run {

std::optional<double> BudgetWatch::slowdown(std::span<const NodeStatus> nodes) {
  constexpr std::int64_t kLeastRuns = 16;
  double busy = 0, planned = 0;
  for (const NodeStatus& node : nodes) {
    if (node.run < kLeastRuns) return std::nullopt;
    busy += node.busy_ms * node.fps;
    planned += node.planned_ms * node.fps;
  }
  if (planned <= 0) return std::nullopt;
  return busy / planned;
}

std::optional<double> BudgetWatch::look(std::optional<double> slowdown, Time now) {
  if (!slowdown) return std::nullopt;
  if (!changed_) changed_ = now;
  const bool outside = std::abs(*slowdown / assumed_ - 1) > kTolerance;
  outside_ = outside ? outside_ + 1 : 0;
  if (outside_ < kInARow || now - *changed_ < kRest) return std::nullopt;
  assumed_ = *slowdown;
  changed(now);
  return slowdown;
}

void BudgetWatch::changed(Time now) {
  changed_ = now;
  outside_ = 0;
}

}  // namespace graft::run
