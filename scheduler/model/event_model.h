// SPDX-License-Identifier: Apache-2.0
// Closed-form event recall, precision and F1 of a per-frame detector that looks at some of a
// stream's frames. Source: spec/mainstream.md section 1; Jiang's thesis, chapter 5, Eq. 1-3.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace graft {

/// How the length of an event in frames is counted; the two agree only where fps == stream_fps.
enum class EventModel : std::uint8_t {
  kText,  ///< in frames of the stream, as the thesis defines it
  kCode,  ///< in analysed frames, as the authors' program counts it: all recorded schedules
};

/// "text" or "code".
[[nodiscard]] std::string_view name(EventModel model);

/// What a stream's events are like.
struct EventStatistics {
  double length_ms = 0;    ///< shortest event, > 0
  double frequency = 0;    ///< weight of events against absent events, [0, 1]
  double correlation = 0;  ///< of a detector's errors between neighbouring frames, [0, 1]
};

/// A detector on single frames.
struct FrameDetector {
  double hit_rate = 0;          ///< P(positive | event frame): Top-1 accuracy
  double false_alarm_rate = 0;  ///< P(positive | other frame)
};

struct FrameRates {
  double stream_fps = 0;
  double fps = 0;  ///< analysed, (0, stream_fps]
};

struct EventQuality {
  double recall = 0;     ///< 1 - false negative rate
  double precision = 0;  ///< 1 - what the published plots call the false positive rate
  double f1 = 0;
};

/// Smallest number of votes to largest that options offer.
inline constexpr int kMaxVotes = 7;

/// P(no detection) over `frames` >= 0 consecutive frames of which every `stride`-th >= 1 is
/// analysed, at a random phase; `rate` = P(positive) of one frame. Without votes: no positive at
/// all, where a miss follows a miss with probability (1 - rate) + correlation * rate. With votes X:
/// no X positives in a row, where a positive follows a positive with probability rate + correlation
/// * (1 - rate). Votes of 1 are not the model without votes. Continuous in all arguments.
[[nodiscard]] double miss_probability(double rate, double frames, double stride, double correlation,
                                      std::optional<int> votes);

/// Recall and precision of events; an absent event has the length of an event. F1 is 0 where recall
/// or precision is below 1e-8, precision 1 where nothing is ever reported.
[[nodiscard]] EventQuality event_quality(const EventStatistics& events,
                                         const FrameDetector& detector, const FrameRates& rates,
                                         std::optional<int> votes, EventModel model);

/// Length of an event in the frames that `model` counts.
[[nodiscard]] double event_frames(const EventStatistics& events, const FrameRates& rates,
                                  EventModel model);

}  // namespace graft
