// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "runtime/events/journal.h"
#include "runtime/events/sink.h"

namespace graft::events {

struct PublisherOptions {
  std::chrono::milliseconds poll{50};             ///< between looks at the journal
  std::chrono::milliseconds least_back_off{100};  ///< after a failed delivery; doubles, with jitter
  std::chrono::milliseconds most_back_off{30'000};
};

/// What a publisher has done so far.
struct PublisherCounts {
  std::int64_t delivered = 0;  ///< records
  std::int64_t failed = 0;     ///< attempts
  std::int64_t missed = 0;     ///< records that left the journal before their turn
  std::int64_t cursor = 0;     ///< seq of the last delivered record
};

/// Carries the records of a journal to one sink, in a thread of its own, in order and each at least
/// once. How far it came is kept in `cursor_path` ({"schema", "journal", "seq", "open": {id:
/// state}}, written atomically, at the latest a second after a delivery), so that it goes on there
/// after a restart. The writer of the journal never waits for it.
class Publisher {
 public:
  /// The journal may not exist yet. Throws Error(kIo), or Error(kConfig) for a cursor file that is
  /// not one.
  Publisher(const std::filesystem::path& journal, std::unique_ptr<EventSink> sink,
            std::filesystem::path cursor_path, const PublisherOptions& options = {});
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;
  /// As stop() without patience.
  ~Publisher();

  /// Goes on for `patience` at most until all is delivered, then ends the thread. What is left is
  /// delivered after the next start. True if nothing is left.
  bool stop(std::chrono::milliseconds patience);

  /// Thread-safe.
  [[nodiscard]] PublisherCounts counts() const;
  /// For set_stats(), which is thread-safe.
  [[nodiscard]] EventSink& sink() { return *sink_; }

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] JournalPosition read_cursor();
  void write_cursor();
  void work();
  bool deliver_next();
  bool stopping() const;
  void back_off(std::chrono::milliseconds time);

  std::unique_ptr<EventSink> sink_;
  std::filesystem::path cursor_path_;
  PublisherOptions options_;
  // Of the thread.
  std::map<std::string, EventState> open_;  // by id: as the last delivered record said
  JournalPosition delivered_;
  JournalReader reader_;
  std::optional<EventRecord> waiting_;  // read, not yet delivered
  Clock::time_point cursor_written_{};
  bool cursor_behind_ = false;
  // Shared.
  mutable std::mutex mutex_;
  PublisherCounts counts_;
  bool all_delivered_ = false;
  std::optional<Clock::time_point> stop_at_;
  std::thread thread_;
};

/// Where a sink's cursor belongs: JOURNAL.cursor-SINK.
[[nodiscard]] std::filesystem::path cursor_path(const std::filesystem::path& journal,
                                                const EventSink& sink);

}  // namespace graft::events
