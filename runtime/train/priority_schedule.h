// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "engine/io/json.h"
#include "runtime/train/train_options.h"
#include "sampler/score/priority.h"

namespace graft::train {

/// A new priority function for a run.
struct PrioritySwap {
  int stage = 0;
  int snapshot_epoch = 0;  ///< epochs done when the search began
  int swap_epoch = 0;      ///< epochs done when it takes effect
  Priority priority;
  double search_cost_units = 0;

  /// {"event": "swap", "stage", "snapshot_epoch", "swap_epoch", "priority", "search_cost_units"}:
  /// the line of metrics.jsonl.
  [[nodiscard]] Json record() const;
};

/// Exchanges the priority function of a run while it goes on.
class PrioritySchedule {
 public:
  PrioritySchedule() = default;
  PrioritySchedule(const PrioritySchedule&) = delete;
  PrioritySchedule& operator=(const PrioritySchedule&) = delete;
  virtual ~PrioritySchedule() = default;

  /// Called at the start of every epoch, when a checkpoint of exactly that moment exists: `epoch`
  /// of `epochs` are done, `lr` was the last update's rate.
  [[nodiscard]] virtual std::optional<PrioritySwap> before_epoch(int epoch, int epochs,
                                                                 double lr) = 0;
  /// The run ends or pauses: lets go of what works in the background; state() still knows of it.
  virtual void interrupt() = 0;

  /// For a checkpoint. restore throws Error(kModel) for what state() did not write.
  [[nodiscard]] virtual Json state() const = 0;
  virtual void restore(const Json& state) = 0;
};

}  // namespace graft::train
