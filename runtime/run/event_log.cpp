// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/event_log.h"

#include "engine/core/error.h"
#include "engine/core/log.h"

namespace graft::run {
namespace {

constexpr std::size_t kMostWaiting = 4096;

}  // namespace

EventLog::EventLog(const std::filesystem::path& path) : journal_(path) {}

void EventLog::add(const events::EventChange& change) {
  if (waiting_.size() >= kMostWaiting) {
    fail(Errc::kIo, journal_.path().string(), ": cannot be written, and ", waiting_.size(),
         " events wait; free space and start again");
  }
  waiting_.push_back(change);
  flush();
}

void EventLog::flush() {
  while (!waiting_.empty()) {
    try {
      journal_.append(waiting_.front());
    } catch (const Error& e) {
      if (e.code() != Errc::kIo) throw;
      if (!complained_) log::error("{}; events are kept in memory and tried again", e.what());
      complained_ = true;
      return;
    }
    waiting_.pop_front();
  }
  if (complained_) log::info("{}: is written again", journal_.path().string());
  complained_ = false;
}

void EventLog::close() {
  flush();
  if (waiting_.empty()) return;
  fail(Errc::kIo, journal_.path().string(), ": cannot be written; ", waiting_.size(),
       " changes of events are lost");
}

}  // namespace graft::run
