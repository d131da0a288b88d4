// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>

#include "runtime/events/journal.h"

namespace graft::run {

/// A journal that a full disk does not stop: what cannot be written now is kept, in order, and
/// tried again. Not thread-safe.
class EventLog {
 public:
  /// Opens the journal; throws as it.
  explicit EventLog(const std::filesystem::path& path);

  /// Throws Error(kIo) if too much is kept already.
  void add(const events::EventChange& change);
  /// Writes what is kept, as far as it goes; says once that it does not.
  void flush();
  /// Throws Error(kIo), with the number of changes that are lost, if something cannot be written.
  void close();

  [[nodiscard]] std::int64_t waiting() const { return static_cast<std::int64_t>(waiting_.size()); }

 private:
  events::Journal journal_;
  std::deque<events::EventChange> waiting_;
  bool complained_ = false;
};

}  // namespace graft::run
