// SPDX-License-Identifier: Apache-2.0
#include "engine/core/log.h"

#include <memory>
#include <mutex>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "engine/core/error.h"

namespace graft::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

struct Loggers {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> console;
  std::shared_ptr<spdlog::logger> file;

  Loggers() {
    console = std::make_shared<spdlog::logger>("graft",
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>());
    console->set_pattern("%v");
  }
};

Loggers& loggers() {
  static Loggers instance;
  return instance;
}

}  // namespace

void set_level(Level level) { loggers().console->set_level(to_spdlog(level)); }

void set_file(const std::string& path) {
  const std::scoped_lock lock(loggers().mutex);
  if (path.empty()) {
    loggers().file.reset();
    return;
  }
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path, /*truncate=*/false);
    loggers().file = std::make_shared<spdlog::logger>("graft-file", std::move(sink));
    loggers().file->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
    loggers().file->flush_on(spdlog::level::info);
  } catch (const spdlog::spdlog_ex& e) {
    fail(Errc::kIo, "cannot open the log file ", path, ": ", e.what());
  }
}

void write(Level level, std::string_view message) {
  const std::scoped_lock lock(loggers().mutex);
  const char* prefix = level == Level::kWarning ? "warning: "
                       : level == Level::kError ? "error: "
                                                : "";
  loggers().console->log(to_spdlog(level), "{}{}", prefix, message);
  if (loggers().file) loggers().file->log(to_spdlog(level), "{}", message);
}

}  // namespace graft::log
