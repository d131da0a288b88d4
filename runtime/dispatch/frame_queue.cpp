// SPDX-License-Identifier: Apache-2.0
#include "runtime/dispatch/frame_queue.h"

#include <utility>

#include "engine/core/error.h"

namespace graft::dispatch {

FrameQueue::FrameQueue(const QueueOptions& options)
    : options_(options), random_({.seed = options.seed, .purpose = RngPurpose::kDropFrame}) {
  GRAFT_CHECK(options.drop != Drop::kDeadline || options.deadline > 0, "deadline ",
              options.deadline);
}

bool FrameQueue::full() const { return options_.capacity && frames_.size() >= *options_.capacity; }

std::optional<Frame> FrameQueue::push(Frame frame) {
  if (!full()) {
    frames_.push_back(std::move(frame));
    return std::nullopt;
  }
  if (frames_.empty() || options_.drop == Drop::kNewest) return frame;
  std::size_t victim = 0;
  if (options_.drop == Drop::kRandom) {
    victim = random_.below(static_cast<std::uint32_t>(frames_.size()) + 1);
    if (victim == frames_.size()) return frame;
  }
  const auto at = frames_.begin() + static_cast<std::ptrdiff_t>(victim);
  Frame dropped = std::move(*at);
  frames_.erase(at);
  frames_.push_back(std::move(frame));
  return dropped;
}

std::optional<Frame> FrameQueue::pop(Ticks now, std::vector<Frame>& dropped) {
  const bool expires = options_.drop == Drop::kDeadline;
  while (!frames_.empty()) {
    Frame frame = std::move(frames_.front());
    frames_.pop_front();
    if (!expires || now - frame.arrived <= options_.deadline) return frame;
    dropped.push_back(std::move(frame));
  }
  return std::nullopt;
}

}  // namespace graft::dispatch
