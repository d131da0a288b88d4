// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/publisher.h"

#include <algorithm>
#include <cctype>
#include <random>
#include <utility>

#include "engine/core/back_off.h"
#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/io/file.h"

namespace graft::events {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr auto kCursorEvery = std::chrono::seconds(1);
constexpr std::uint64_t kMaxCursorBytes = 16 << 20;
constexpr int kCursorSchema = 1;

}  // namespace

fs::path cursor_path(const fs::path& journal, const EventSink& sink) {
  std::string name = sink.name();
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char c) { return std::isalnum(c) == 0 && c != '.' && c != '-'; }, '_');
  return journal.string() + ".cursor-" + name;
}

Publisher::Publisher(const fs::path& journal, std::unique_ptr<EventSink> sink, fs::path cursor_path,
                     const PublisherOptions& options)
    : sink_(std::move(sink)),
      cursor_path_(std::move(cursor_path)),
      options_(options),
      delivered_(read_cursor()),
      reader_(journal, delivered_),
      counts_{.cursor = delivered_.seq},
      thread_([this] { work(); }) {}

Publisher::~Publisher() { stop(milliseconds(0)); }

JournalPosition Publisher::read_cursor() {
  if (!fs::exists(cursor_path_)) return {};
  const std::string source = cursor_path_.string();
  try {
    const Json json = parse_json(read_file(cursor_path_, kMaxCursorBytes), source);
    if (json.at("schema") != kCursorSchema)
      fail(Errc::kConfig, "schema ", json.at("schema").dump());
    for (const auto& [id, state] : json.at("open").items()) {
      open_[id] = parse_state(state, source);
    }
    return {.journal = json.at("journal"), .seq = json.at("seq")};
  } catch (const Error& error) {
    if (error.code() == Errc::kIo) throw;
    fail(Errc::kConfig, source, ": not a cursor (", error.what(),
         "); remove it to deliver the journal from its beginning");
  } catch (const Json::exception& error) {
    fail(Errc::kConfig, source, ": not a cursor (", error.what(),
         "); remove it to deliver the journal from its beginning");
  }
}

void Publisher::write_cursor() {
  if (!cursor_behind_) return;
  Json open = Json::object();
  for (const auto& [id, state] : open_) open[id] = to_json(state);
  const Json cursor = {{"schema", kCursorSchema},
                       {"journal", delivered_.journal},
                       {"seq", delivered_.seq},
                       {"open", std::move(open)}};
  try {
    atomic_write(cursor_path_, cursor.dump() + "\n");
    cursor_behind_ = false;
  } catch (const Error& error) {
    log::warning("{}; events may be delivered twice", error.what());
  }
  cursor_written_ = Clock::now();
}

/// True if the sink has one record more; false if it wants none now, or there is none.
bool Publisher::deliver_next() {
  if (!waiting_) waiting_ = reader_.next();
  {
    const std::scoped_lock lock(mutex_);
    counts_.missed = reader_.missed();
    all_delivered_ = !waiting_;
  }
  if (!waiting_) return false;
  const EventState& state = waiting_->change.state;
  const auto known = open_.find(waiting_->id);
  const bool taken = sink_->deliver(*waiting_, known == open_.end() ? state : known->second);
  const std::scoped_lock lock(mutex_);
  if (!taken) {
    ++counts_.failed;
    return false;
  }
  if (waiting_->change.type == EventType::kEnd) {
    open_.erase(waiting_->id);
  } else {
    open_[waiting_->id] = state;
  }
  ++counts_.delivered;
  counts_.cursor = waiting_->seq;
  delivered_ = reader_.position();
  cursor_behind_ = true;
  waiting_.reset();
  return true;
}

bool Publisher::stopping() const {
  const std::scoped_lock lock(mutex_);
  return stop_at_ && (all_delivered_ || Clock::now() >= *stop_at_);
}

/// Waits `time`, but not beyond a stop; the sink keeps its connection meanwhile.
void Publisher::back_off(milliseconds time) {
  const auto end = Clock::now() + time;
  while (Clock::now() < end && !stopping()) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    sink_->idle(std::clamp(left, milliseconds(1), options_.poll));
  }
}

void Publisher::work() {
  BackOff pauses(options_.least_back_off, options_.most_back_off, std::random_device{}());
  try {
    do {
      bool taken = false;
      try {
        taken = deliver_next();
      } catch (const Error& error) {
        if (error.code() != Errc::kIo) throw;
        log::warning("{}", error.what());  // a file of the journal that was just removed, say
      }
      if (taken) {
        pauses.reset();
        if (Clock::now() - cursor_written_ >= kCursorEvery) write_cursor();
        continue;
      }
      write_cursor();
      if (!waiting_) {
        sink_->idle(options_.poll);
      } else {
        back_off(pauses.next());
      }
    } while (!stopping());
    sink_->close();
  } catch (const std::exception& error) {
    log::error("{}: delivers no more events: {}", sink_->name(), error.what());
  }
  write_cursor();
}

bool Publisher::stop(milliseconds patience) {
  {
    const std::scoped_lock lock(mutex_);
    if (!stop_at_) {
      stop_at_ = Clock::now() + patience;
      all_delivered_ = false;  // until the thread has looked once more
    }
  }
  if (thread_.joinable()) thread_.join();
  return all_delivered_;
}

PublisherCounts Publisher::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

}  // namespace graft::events
