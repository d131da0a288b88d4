// SPDX-License-Identifier: Apache-2.0
// The journal is the truth about events: written first, read by every sink.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/file.h"
#include "engine/io/records.h"
#include "runtime/events/event.h"

namespace graft::events {

enum class Fsync {
  kAlways,  ///< an appended record survives a power cut
  kNever,   ///< it survives the death of the process; the system writes it when it likes
};

struct JournalOptions {
  Fsync fsync = Fsync::kAlways;
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;  ///< a file longer than this is set aside
  std::uint64_t total_bytes = std::uint64_t{1} << 30;     ///< oldest set-aside files go beyond this
};

/// An append-only JSON-lines file of event records, and the files set aside before it.
///
/// `path` is the current file, `path`.NNNNNNNNNNNN the older ones, NNN being the first seq in them.
/// The first line of each says where it takes up: {"schema", "type": "journal", "journal": a random
/// name, the same in all files, "next_seq", "open": [records of the events open then]}. Opening
/// cuts off the unfinished last line of a killed process and ends the events that it left open,
/// reason "restart". One writer at a time, by a lock on `path`.lock. Not thread-safe.
class Journal {
 public:
  /// Opens or creates. Throws Error(kIo); Error(kConfig) if another process writes it;
  /// Error(kData) naming file and line if a whole line is no record of ours.
  explicit Journal(const std::filesystem::path& path, const JournalOptions& options = {});
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Gives the change its id and seq and appends it; on the disk when this returns (kAlways).
  /// A stream and application have at most one open event: kNew opens it, the others need it.
  /// Throws Error(kIo), e.g. on a full disk: nothing of the record stays, no number is used up,
  /// and the same change may be tried again.
  EventRecord append(const EventChange& change);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::int64_t next_seq() const { return next_seq_; }
  /// The latest record of each open event, by stream and application.
  [[nodiscard]] std::vector<EventRecord> open_events() const;

 private:
  using Key = std::pair<std::string, std::string>;  // stream, application

  void take_up();
  void apply(const EventRecord& record, const std::string& source);
  void start_file();
  void set_aside();
  void drop_oldest();

  std::filesystem::path path_;
  JournalOptions options_;
  FileHandle lock_;
  std::optional<RecordWriter> writer_;  // none after a failure: the file is taken up anew
  std::string name_;
  std::int64_t first_seq_ = 1;  // of the current file
  std::int64_t next_seq_ = 1;
  std::map<Key, EventRecord> open_;
};

/// How far a reader came: in which journal, and the seq of the last record it had.
struct JournalPosition {
  std::string journal;  ///< empty: any
  std::int64_t seq = 0;
};

class JournalFile;

/// Reads a journal in order of seq while another thread or process writes it.
class JournalReader {
 public:
  /// Begins behind `after`; a journal that does not exist yet is waited for. If the one at `path`
  /// is another than `after` names, it is read from its beginning, with a warning.
  explicit JournalReader(std::filesystem::path path, JournalPosition after = {});
  JournalReader(JournalReader&&) noexcept;
  ~JournalReader();

  /// The next record, or nothing if there is none yet. Throws Error(kIo), Error(kData).
  std::optional<EventRecord> next();
  [[nodiscard]] const JournalPosition& position() const { return position_; }
  /// Records that were gone (JournalOptions::total_bytes) before they were read.
  [[nodiscard]] std::int64_t missed() const { return missed_; }

 private:
  bool open_next_file();

  std::filesystem::path path_;
  JournalPosition position_;
  std::int64_t missed_ = 0;
  std::unique_ptr<JournalFile> file_;
};

/// All records of a journal, oldest first; an unfinished last line is left out. Throws Error(kIo)
/// if there is no journal, Error(kData).
[[nodiscard]] std::vector<EventRecord> read_journal(const std::filesystem::path& path);

}  // namespace graft::events
