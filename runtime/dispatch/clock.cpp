// SPDX-License-Identifier: Apache-2.0
#include "runtime/dispatch/clock.h"

#include <chrono>
#include <tuple>
#include <utility>

#include "engine/core/error.h"

namespace graft::dispatch {

Ticks SteadyClock::now() const {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

bool VirtualClock::Planned::operator>(const Planned& other) const {
  return std::tie(when, rank, number) > std::tie(other.when, other.rank, other.number);
}

void VirtualClock::at(Ticks when, int rank, std::function<void()> call) {
  GRAFT_CHECK(when >= now_, "tick ", when, " is before ", now_);
  calls_.push({when, rank, planned_++, std::move(call)});
}

void VirtualClock::run() {
  while (!calls_.empty()) {
    const Planned next = calls_.top();
    calls_.pop();
    now_ = next.when;
    next.call();
  }
}

}  // namespace graft::dispatch
