// SPDX-License-Identifier: Apache-2.0
// Leveled messages on stderr (stdout is for data). fmt syntax.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace graft::log {

enum class Level { kDebug, kInfo, kWarning, kError, kOff };

/// Lowest level that is written; kInfo at start.
void set_level(Level level);

/// Also appends every message, with a time stamp, to the file at `path` (throws Error(kIo)).
/// An empty path stops that.
void set_file(const std::string& path);

/// Writes one line. Thread-safe.
void write(Level level, std::string_view message);

template <class... Ts>
void debug(fmt::format_string<Ts...> format, Ts&&... args) {
  write(Level::kDebug, fmt::format(format, std::forward<Ts>(args)...));
}
template <class... Ts>
void info(fmt::format_string<Ts...> format, Ts&&... args) {
  write(Level::kInfo, fmt::format(format, std::forward<Ts>(args)...));
}
template <class... Ts>
void warning(fmt::format_string<Ts...> format, Ts&&... args) {
  write(Level::kWarning, fmt::format(format, std::forward<Ts>(args)...));
}
template <class... Ts>
void error(fmt::format_string<Ts...> format, Ts&&... args) {
  write(Level::kError, fmt::format(format, std::forward<Ts>(args)...));
}

}  // namespace graft::log
