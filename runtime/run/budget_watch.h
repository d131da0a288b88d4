// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <span>

#include "runtime/run/status.h"

namespace graft::run {

/// Notices that a tree takes longer or shorter than planned, as when another program has come for a
/// processor: source, spec/mainstream.md section 3.8, with hysteresis so that a hiccup or the
/// change that it causes does not start another.
class BudgetWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  static constexpr double kTolerance = 0.2;  ///< of the planned time
  static constexpr int kInARow = 5;          ///< looks outside the tolerance before it acts
  static constexpr std::chrono::seconds kRest{30};

  /// What the nodes take over what was planned, each at its rate; nothing until all have run often
  /// enough.
  [[nodiscard]] static std::optional<double> slowdown(std::span<const NodeStatus> nodes);

  /// The slowdown to schedule for, if it is time to. `slowdown`: of the costs that the present
  /// schedule was made with.
  [[nodiscard]] std::optional<double> look(std::optional<double> slowdown, Time now);
  /// The slowdown that schedules are made for at present.
  [[nodiscard]] double assumed() const { return assumed_; }
  void changed(Time now);

 private:
  double assumed_ = 1;
  int outside_ = 0;
  std::optional<Time> changed_;
};

}  // namespace graft::run
