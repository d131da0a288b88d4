// SPDX-License-Identifier: Apache-2.0
// Events of a journal against the labels of the video's frames.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/events/event.h"

namespace graft::events {

/// Frames first to last of a stream, both included, counted from 0 as FrameTime::index is.
struct FrameSpan {
  std::int64_t first = 0, last = 0;
  bool operator==(const FrameSpan&) const = default;
};

/// What is known of each frame, by its index from 0.
enum class FrameLabel : signed char { kUnknown = -1, kNegative = 0, kPositive = 1 };

/// Reads a CSV file with a column "frame", which counts from 1: frame k of the file is index k - 1.
/// `column` names the labels: 0 is negative, any other number positive, empty means not evaluated,
/// as are frames that are not listed; "" takes the column "label", or the only one beside "frame".
/// Throws Error(kIo), or Error(kData) naming line and column.
[[nodiscard]] std::vector<FrameLabel> read_frame_labels(const std::filesystem::path& path,
                                                        const std::string& column);

/// The true events: longest runs of positive frames. An unknown frame ends a run.
[[nodiscard]] std::vector<FrameSpan> true_events(std::span<const FrameLabel> labels);

/// An event that was announced.
struct DetectedEvent {
  FrameSpan span;           ///< first to latest positive frame
  std::int64_t opened = 0;  ///< the frame at which it was announced
};

/// The events of one application, and of one stream unless `stream` is empty, by their latest
/// records.
[[nodiscard]] std::vector<DetectedEvent> detected_events(std::span<const EventRecord> records,
                                                         const std::string& app,
                                                         const std::string& stream);

struct EventScore {
  std::int64_t true_events = 0;
  std::int64_t found = 0;              ///< true events that overlap a detected one
  std::int64_t detected = 0;           ///< detected events with a known frame in them
  std::int64_t false_alarms = 0;       ///< in units of events, see below
  std::optional<double> recall;        ///< found / true_events; none without true events
  double precision = 1;                ///< found / (found + false_alarms); 1 if both are 0
  std::optional<double> f1;            ///< harmonic mean; 0 where one is 0
  std::optional<double> delay_frames;  ///< mean of the found events; none if nothing was found
};

/// Scores as mainstream.md section 1 counts: a true event is found if a detected event overlaps it,
/// however often; an alarm is false once for each stretch of negative frames, as long as a true
/// event, that it covers. So with L the mean length of the true events, n negative frames in a row
/// within a detected event make floor(n / L) false alarms, and a detected event that overlaps no
/// true event makes at least one. (An application that is always on finds everything at a precision
/// of the share of the events, as in the model, not of 1.) Detected events without a known frame do
/// not count. The delay of a found event is from its first frame to the first announcement of an
/// event that overlaps it, 0 if that came earlier.
[[nodiscard]] EventScore score_events(std::span<const DetectedEvent> detected,
                                      std::span<const FrameLabel> labels);

}  // namespace graft::events
