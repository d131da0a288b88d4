// SPDX-License-Identifier: Apache-2.0
#include "runtime/video/frame_mailbox.h"

#include <utility>

namespace graft::video {

const char* name(SourceFault fault) {
  constexpr const char* kNames[] = {"open", "stall", "read", "end"};
  return kNames[static_cast<std::size_t>(fault)];
}

const char* name(DropReason reason) {
  constexpr const char* kNames[kDropReasons] = {"overrun", "not_due", "failed", "stopped"};
  return kNames[static_cast<std::size_t>(reason)];
}

bool FrameMailbox::put(Frame& frame) {
  std::unique_lock lock(mutex_);
  if (mode_ == FrameMode::kReplay) changed_.wait(lock, [&] { return !waiting_ || closed_; });
  if (closed_) return false;
  if (waiting_) drop(DropReason::kOverrun);
  std::swap(slot_, frame);
  waiting_ = true;
  lost_before_ |= std::exchange(lost_after_, false);
  ++counts_.captured;
  changed_.notify_all();
  return true;
}

void FrameMailbox::lost() {
  const std::scoped_lock lock(mutex_);
  lost_after_ = true;
  changed_.notify_all();
}

void FrameMailbox::finish() {
  const std::scoped_lock lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

Taken FrameMailbox::take(Frame& frame, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  GRAFT_CHECK(!taken_, "mailbox: the frame taken before was not resolved");
  changed_.wait_for(lock, patience,
                    [&] { return waiting_ || lost_after_ || finished_ || closed_; });
  // A loss between two frames is said between them.
  if (std::exchange(waiting_ ? lost_before_ : lost_after_, false)) return Taken::kLost;
  if (waiting_) {
    std::swap(slot_, frame);
    waiting_ = false;
    taken_ = true;
    changed_.notify_all();
    return Taken::kFrame;
  }
  return finished_ || closed_ ? Taken::kEnd : Taken::kNothing;
}

void FrameMailbox::processed() {
  const std::scoped_lock lock(mutex_);
  GRAFT_CHECK(taken_, "mailbox: no frame is being processed");
  taken_ = false;
  ++counts_.processed;
}

void FrameMailbox::dropped(DropReason reason) {
  const std::scoped_lock lock(mutex_);
  GRAFT_CHECK(taken_, "mailbox: no frame is being processed");
  taken_ = false;
  drop(reason);
}

void FrameMailbox::close() {
  const std::scoped_lock lock(mutex_);
  if (waiting_) drop(DropReason::kStopped);
  waiting_ = false;
  closed_ = true;
  changed_.notify_all();
}

FrameCounts FrameMailbox::counts() const {
  const std::scoped_lock lock(mutex_);
  FrameCounts out = counts_;
  out.under_way = (waiting_ ? 1 : 0) + (taken_ ? 1 : 0);
  out.captured -= out.under_way;
  return out;
}

}  // namespace graft::video
