// SPDX-License-Identifier: Apache-2.0
// One notion of time for engines that run and engines that are simulated.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

namespace graft::dispatch {

/// Integer time. Nanoseconds on a SteadyClock; what the simulation chooses on a VirtualClock.
using Ticks = std::int64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Thread-safe on a SteadyClock.
  [[nodiscard]] virtual Ticks now() const = 0;
};

/// Real time, in nanoseconds, that never goes back.
class SteadyClock final : public Clock {
 public:
  [[nodiscard]] Ticks now() const override;
};

/// Time that passes from one planned call to the next. Of one thread.
class VirtualClock final : public Clock {
 public:
  [[nodiscard]] Ticks now() const override { return now_; }
  /// Plans a call. At equal ticks a lower `rank` comes first, at equal rank the earlier planned.
  void at(Ticks when, int rank, std::function<void()> call);
  /// Makes the planned calls, also those that they plan, until there is none.
  void run();

 private:
  struct Planned {
    Ticks when;
    int rank;
    std::int64_t number;
    std::function<void()> call;
    bool operator>(const Planned& other) const;
  };
  Ticks now_ = 0;
  std::int64_t planned_ = 0;
  std::priority_queue<Planned, std::vector<Planned>, std::greater<>> calls_;
};

}  // namespace graft::dispatch
