// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/dispatch/dispatcher.h"
#include "runtime/dispatch/engine.h"
#include "runtime/dispatch/reorder.h"

namespace graft::dispatch {

/// Several engines on the frames of one stream: admission, dispatch and reordering put together.
/// The same object runs simulated engines on a virtual clock and threads on a real one.
class ParallelDetector {
 public:
  /// Receives every frame's outcome, one call at a time; it must not call the detector.
  using OnOutcome = std::function<void(Outcome)>;

  ParallelDetector(const Clock& clock, std::vector<std::unique_ptr<Engine>> engines,
                   const DispatchOptions& options, OutputOrder order, OnOutcome on_outcome);
  ParallelDetector(const ParallelDetector&) = delete;
  ParallelDetector& operator=(const ParallelDetector&) = delete;
  /// Waits for the frames in service; those that wait are dropped without an outcome.
  ~ParallelDetector();

  /// A frame comes now. Returns its index. Thread-safe; does not wait for an engine.
  std::int64_t offer(Tensor image = {});
  /// Returns when every frame that came has its outcome. Real clocks only.
  void drain();

  /// Results that came too late (OutputOrder::kLowLatency). Thread-safe.
  [[nodiscard]] std::int64_t late() const;
  /// Most results that waited for an earlier frame at the same time. Thread-safe.
  [[nodiscard]] std::size_t most_waiting() const;

 private:
  void act(Decision decision);
  void finish(int engine, const Frame& frame, Ticks ready, Completion completion);
  void give_out(Outcome outcome);

  const Clock& clock_;
  OnOutcome on_outcome_;
  mutable std::mutex mutex_;
  std::condition_variable drained_;
  Dispatcher dispatcher_;
  Reorder reorder_;
  std::vector<Ticks> idle_since_;
  std::int64_t offered_ = 0, given_out_ = 0;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Engine>> engines_;  // last: their threads use the rest
};

}  // namespace graft::dispatch
