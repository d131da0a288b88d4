// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "engine/core/rng.h"
#include "engine/tensor/tensor.h"
#include "runtime/dispatch/clock.h"

namespace graft::dispatch {

/// A frame on its way. Copies share the image.
struct Frame {
  std::int64_t index = 0;  ///< 0, 1, ... in order of arrival
  Ticks arrived = 0;
  Tensor image{};  ///< empty in simulations
};

/// Which frame goes when one comes and the queue is full.
enum class Drop {
  kNewest,    ///< the one that comes
  kOldest,    ///< the one that has waited longest: the queue holds the latest k
  kRandom,    ///< any of those that wait and the one that comes, with equal chance
  kDeadline,  ///< as kOldest; and whatever has waited longer than the deadline goes by itself
};

struct QueueOptions {
  std::optional<std::size_t> capacity = 1;  ///< frames that wait; none: no limit
  Drop drop = Drop::kOldest;
  Ticks deadline = 0;      ///< of kDeadline
  std::uint64_t seed = 0;  ///< of kRandom
};

/// Frames that wait for an engine, first in, first out.
class FrameQueue {
 public:
  explicit FrameQueue(const QueueOptions& options);

  /// Takes a frame in. Returns the one that is dropped for it: it may be the same.
  std::optional<Frame> push(Frame frame);
  /// The next frame to run. Frames beyond their deadline are moved to `dropped` first.
  std::optional<Frame> pop(Ticks now, std::vector<Frame>& dropped);

  [[nodiscard]] std::size_t size() const { return frames_.size(); }
  [[nodiscard]] bool full() const;

 private:
  QueueOptions options_;
  std::deque<Frame> frames_;
  Philox random_;
};

}  // namespace graft::dispatch
