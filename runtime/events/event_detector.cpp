// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/event_detector.h"

#include <algorithm>
#include <utility>

#include "engine/core/error.h"

namespace graft::events {

EventDetector::EventDetector(std::string stream, std::string app, std::string model_sha256,
                             const DetectorOptions& options)
    : options_(options) {
  GRAFT_CHECK(options.votes >= 1, "votes ", options.votes);
  GRAFT_CHECK(options.closing_votes >= 0, "closing votes ", options.closing_votes);
  if (options_.closing_votes == 0) options_.closing_votes = options_.votes;
  state_.stream = std::move(stream);
  state_.app = std::move(app);
  state_.model_sha256 = std::move(model_sha256);
}

std::optional<EventChange> EventDetector::observe(const FrameTime& frame, bool positive,
                                                  double confidence) {
  GRAFT_CHECK(!last_index_ || frame.index > *last_index_, "frame ", frame.index, " after frame ",
              *last_index_);
  last_index_ = frame.index;
  if (!open_ && (!positive || positives_in_row_ == 0)) {  // votes, if any, begin anew
    state_.first = frame;
    state_.top_confidence = 0;
    state_.positives = state_.analysed = 0;
    positives_in_row_ = 0;
    if (!positive) return std::nullopt;
  }
  state_.at = frame;
  ++state_.analysed;
  if (positive) {
    state_.last = frame;
    state_.confidence = confidence;
    state_.top_confidence = std::max(state_.top_confidence, confidence);
    ++state_.positives;
  }
  return open_ ? while_open(positive) : while_voting();
}

std::optional<EventChange> EventDetector::while_voting() {
  if (++positives_in_row_ < options_.votes) return std::nullopt;
  open_ = true;
  negatives_in_row_ = 0;
  state_.opened = state_.at;
  updated_pts_s_ = state_.at.pts_s;
  return EventChange{EventType::kNew, state_, std::nullopt};
}

std::optional<EventChange> EventDetector::while_open(bool positive) {
  negatives_in_row_ = positive ? 0 : negatives_in_row_ + 1;
  if (negatives_in_row_ == options_.closing_votes) return close(EndReason::kNegatives);
  const bool due =
      options_.update_every_s > 0 && state_.at.pts_s - updated_pts_s_ >= options_.update_every_s;
  if (!due) return std::nullopt;
  updated_pts_s_ = state_.at.pts_s;
  return EventChange{EventType::kUpdate, state_, std::nullopt};
}

std::optional<EventChange> EventDetector::close(EndReason reason) {
  positives_in_row_ = 0;
  if (!open_) return std::nullopt;
  open_ = false;
  return EventChange{EventType::kEnd, state_, reason};
}

}  // namespace graft::events
