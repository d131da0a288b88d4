// SPDX-License-Identifier: Apache-2.0
// One file of a journal, read line by line. Private to runtime/events.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/file.h"
#include "runtime/events/event.h"

namespace graft::events {

/// The first line of each file of a journal.
struct JournalHeader {
  std::string journal;        ///< name of the journal
  std::int64_t next_seq = 1;  ///< of the first record behind this line
  std::vector<EventRecord> open;
};

[[nodiscard]] Json to_json(const JournalHeader& header);

/// Reads the finished lines of one file, also while it grows and after it was renamed.
class JournalFile {
 public:
  /// Throws Error(kData) if the first line is no header.
  explicit JournalFile(const std::filesystem::path& path);
  [[nodiscard]] const JournalHeader& header() const { return header_; }
  /// The next record; nothing behind the last finished line.
  std::optional<EventRecord> next();
  /// "path line 12": the line read last.
  [[nodiscard]] std::string source() const;

 private:
  std::optional<Json> next_line();

  std::filesystem::path path_;
  FileReader file_;
  JournalHeader header_;
  std::uint64_t offset_ = 0;  // behind the finished lines in lines_
  std::string lines_;         // finished lines
  std::size_t used_ = 0;      // bytes of lines_ that were handed out
  std::size_t line_ = 0;
};

/// A file that was set aside.
struct AsideFile {
  std::filesystem::path path;
  std::int64_t first_seq = 0;
};

/// The files set aside of the journal at `path`, oldest first.
[[nodiscard]] std::vector<AsideFile> files_set_aside(const std::filesystem::path& path);
/// The name a file with this first record gets when it is set aside.
[[nodiscard]] std::filesystem::path aside_path(const std::filesystem::path& path,
                                               std::int64_t first_seq);

}  // namespace graft::events
