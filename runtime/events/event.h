// SPDX-License-Identifier: Apache-2.0
// What an application saw: an event has a beginning, may be updated, and ends with a reason.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/io/json.h"

namespace graft::events {

/// A frame of a stream.
struct FrameTime {
  std::int64_t index =
      0;             ///< from 0, in the order of capture; frame k of a label file is index k-1
  double pts_s = 0;  ///< presentation time in the stream, seconds
  double captured_at = 0;  ///< when it was captured, seconds since 1970 (UTC)
  bool operator==(const FrameTime&) const = default;
};

enum class EventType { kNew, kUpdate, kEnd };

/// Why an event ended.
enum class EndReason {
  kNegatives,   ///< enough negative frames in a row
  kSourceLost,  ///< the stream broke off
  kSourceEnd,   ///< the file or folder is finished
  kAppRemoved,  ///< the application was removed or replaced
  kShutdown,    ///< the runner was stopped
  kRestart,     ///< the runner died; found open when the journal was opened again
};

/// "new", "update", "end".
[[nodiscard]] const char* name(EventType type);
/// "negatives", "source_lost", "source_end", "app_removed", "shutdown", "restart".
[[nodiscard]] const char* name(EndReason reason);

/// An event as far as it is known at frame `at`.
struct EventState {
  std::string stream, app;
  std::string model_sha256;  ///< of the package that saw it; may be empty
  FrameTime first;           ///< first of the positive frames that opened it
  FrameTime opened;          ///< the positive frame that completed the votes
  FrameTime last;            ///< latest positive frame
  FrameTime at;              ///< latest analysed frame
  double confidence = 0;     ///< of the latest positive frame, in [0, 1]
  double top_confidence = 0;
  std::int64_t positives = 0;  ///< positive frames from `first` to `at`
  std::int64_t analysed = 0;   ///< analysed frames from `first` to `at`
  bool operator==(const EventState&) const = default;
};

/// What the journal takes: a step in the life of one event.
struct EventChange {
  EventType type = EventType::kNew;
  EventState state;
  std::optional<EndReason> reason;  ///< of kEnd only
  bool operator==(const EventChange&) const = default;
};

/// A change as it stands in the journal. `id` is that of the event, the same from new to end;
/// `seq` that of the record: 1, 2, ... without gaps, also across restarts. Receivers drop what
/// they have seen by id and seq.
struct EventRecord {
  std::int64_t seq = 0;
  std::string id;
  EventChange change;
  bool operator==(const EventRecord&) const = default;
};

/// Version of the JSON form; readers refuse newer ones.
constexpr int kEventSchema = 1;

/// The line of a record: {"schema", "seq", "id", "type", "stream", "app", "model_sha256", "first",
/// "opened", "last", "at", "confidence", "top_confidence", "positives", "analysed"[, "reason"]},
/// frames as {"frame", "pts", "captured_at"}.
[[nodiscard]] Json to_json(const EventRecord& record);
/// The members of an event alone: what to_json(EventRecord) has from "stream" to "analysed".
[[nodiscard]] Json to_json(const EventState& state);
/// Throws Error(kData) naming `source` (a file and line) if it is not a record.
[[nodiscard]] EventRecord parse_record(const Json& json, const std::string& source);
[[nodiscard]] EventState parse_state(const Json& json, const std::string& source);

}  // namespace graft::events
