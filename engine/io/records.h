// SPDX-License-Identifier: Apache-2.0
// JSON lines: one object per line, appended, never rewritten.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "engine/io/file.h"
#include "engine/io/json.h"

namespace graft {

/// Appends to a JSONL file. What a crash left of an unfinished line is cut off when it is opened.
class RecordWriter {
 public:
  explicit RecordWriter(const std::filesystem::path& path);

  /// One line, whole or not at all. Numbers that are not finite become null.
  void write(const Json& record);
  /// Returns when every line is on the disk.
  void sync() { file_.sync(); }
  /// Bytes so far: what a checkpoint remembers.
  [[nodiscard]] std::uint64_t position() const { return file_.size(); }
  /// Drops every line after `position`, which position() returned; a shorter file is
  /// Error(kConfig): lines that the checkpoint counts on are gone.
  void truncate_to(std::uint64_t position);

 private:
  std::filesystem::path path_;
  AppendFile file_;
};

/// All records; an unterminated last line is left out. Throws Error(kIo), or Error(kConfig) naming
/// the line that is not JSON.
[[nodiscard]] std::vector<Json> read_records(const std::filesystem::path& path);

}  // namespace graft
