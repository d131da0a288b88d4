// SPDX-License-Identifier: Apache-2.0
// Changes of made-up events.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/events/event.h"

namespace graft::events {

inline FrameTime frame_at(std::int64_t index) {
  const auto i = static_cast<double>(index);
  return {.index = index, .pts_s = i / 10, .captured_at = 1000 + i / 10};
}

/// A change at frame `at` of an event that began at frame `first`.
inline EventChange change_of(EventType type, const std::string& app, std::int64_t first,
                             std::int64_t at) {
  EventChange change{.type = type,
                     .state = {.stream = "front",
                               .app = app,
                               .model_sha256 = "ab",
                               .first = frame_at(first),
                               .opened = frame_at(first),
                               .last = frame_at(at),
                               .at = frame_at(at),
                               .confidence = 0.75,
                               .top_confidence = 0.875,
                               .positives = at - first + 1,
                               .analysed = at - first + 1},
                     .reason = {}};
  if (type == EventType::kEnd) change.reason = EndReason::kNegatives;
  return change;
}

}  // namespace graft::events
