// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/dispatch/frame_queue.h"

namespace graft::dispatch {

/// What became of a frame.
struct Outcome {
  std::int64_t frame = 0;
  int engine = -1;  ///< that ran it; -1: it was dropped
  Ticks arrived = 0;
  Ticks ready = 0;  ///< when the frame and its engine were both there
  Ticks started = 0, finished = 0;
  Tensor output{};
  std::string error{};  ///< of the engine
};

enum class OutputOrder {
  kInOrder,     ///< by frame: a result waits for all frames before it
  kLowLatency,  ///< at once; a result that is older than one given out already is dropped
};

/// Brings results of several engines into order. Every frame must be told of, dropped ones too.
class Reorder {
 public:
  explicit Reorder(OutputOrder order) : order_(order) {}

  /// Takes the outcome of one frame in; returns what can be given out now, in order.
  std::vector<Outcome> push(Outcome outcome);

  /// Results that came too late, kLowLatency.
  [[nodiscard]] std::int64_t late() const { return late_; }
  /// Most results that waited at the same time, kInOrder.
  [[nodiscard]] std::size_t most_waiting() const { return most_waiting_; }

 private:
  std::vector<Outcome> push_in_order(Outcome outcome);

  OutputOrder order_;
  std::map<std::int64_t, Outcome> waiting_;
  std::int64_t next_ = 0;  // kInOrder: the frame that is due; kLowLatency: behind the newest
  std::int64_t late_ = 0;
  std::size_t most_waiting_ = 0;
};

}  // namespace graft::dispatch
