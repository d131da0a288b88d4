// SPDX-License-Identifier: Apache-2.0
#include "runtime/video/capture.h"

#include <numeric>
#include <utility>

#include "engine/core/back_off.h"
#include "engine/core/log.h"

namespace graft::video {

using Clock = std::chrono::steady_clock;

namespace {

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::int64_t CaptureState::all_faults() const {
  return std::accumulate(faults.begin(), faults.end(), std::int64_t{0});
}

Capture::Capture(OpenSource open, const CaptureOptions& options)
    : open_(std::move(open)),
      options_(options),
      mailbox_(options.mode),
      thread_([this] { run(); }) {}

Capture::~Capture() { stop(); }

void Capture::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  mailbox_.close();
  if (thread_.joinable()) thread_.join();
}

bool Capture::wait_open(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] { return state_.up || failure_ || stop_; });
  if (failure_) std::rethrow_exception(failure_);
  return state_.up;
}

void Capture::start() {
  const std::scoped_lock lock(mutex_);
  started_ = true;
  changed_.notify_all();
}

CaptureState Capture::state() const {
  const std::scoped_lock lock(mutex_);
  return state_;
}

void Capture::rethrow_failure() const {
  const std::scoped_lock lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
}

bool Capture::sleep_until(Clock::time_point time) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, time, [&] { return stop_.load(); });
  return !stop_;
}

void Capture::run() {
  BackOff back_off(options_.least_back_off, options_.most_back_off,
                   static_cast<unsigned>(std::hash<std::string>()(options_.stream)));
  while (!stop_) {
    try {
      const std::int64_t before = next_index_;
      try {
        read_until_fault();
        break;  // the end, or stopped
      } catch (const SourceError& e) {
        if (stop_) break;
        note_fault(e);
        if (!options_.reopen) throw;
        if (next_index_ > before) back_off.reset();
        if (!sleep_until(Clock::now() + back_off.next())) break;
      }
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      failure_ = std::current_exception();
      break;
    }
  }
  {
    const std::scoped_lock lock(mutex_);
    state_.up = false;
  }
  changed_.notify_all();
  mailbox_.finish();
}

void Capture::read_until_fault() {
  const auto source = open_(stop_);
  note_open(*source);
  anchor_.reset();
  if (options_.paced) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return started_ || stop_; });
  }
  Frame frame;
  while (!stop_ && source->next(frame)) {
    frame.stream = options_.stream;
    frame.index = next_index_;
    if (options_.paced) pace(frame);
    frame.captured = Clock::now();
    frame.captured_at = seconds_since_1970();
    {
      const std::scoped_lock lock(mutex_);
      state_.corrupt = corrupt_before_ + source->corrupt();
      state_.width = frame.image.width;
      state_.height = frame.image.height;
      if (lost_at_) {
        const double seconds = std::chrono::duration<double>(Clock::now() - *lost_at_).count();
        log::info("{}: frames again after {:.1f} s", options_.stream, seconds);
        lost_at_.reset();
        state_.last_error.clear();
      }
    }
    if (!mailbox_.put(frame)) return;
    ++next_index_;
  }
  const std::scoped_lock lock(mutex_);
  corrupt_before_ += source->corrupt();
  state_.corrupt = corrupt_before_;
}

void Capture::pace(const Frame& frame) {
  if (!anchor_) anchor_ = Anchor{Clock::now(), frame.pts};
  const std::chrono::duration<double> since(frame.pts - anchor_->pts);
  sleep_until(anchor_->time + std::chrono::duration_cast<Clock::duration>(since));
}

void Capture::note_open(const FrameSource& source) {
  const std::scoped_lock lock(mutex_);
  state_.up = true;
  state_.fps = source.fps();
  changed_.notify_all();
}

void Capture::note_fault(const SourceError& error) {
  const std::scoped_lock lock(mutex_);
  state_.up = false;
  corrupt_before_ = state_.corrupt;
  ++state_.faults[static_cast<std::size_t>(error.fault())];
  const std::string why = redact(error.what());
  if (!options_.reopen) return;
  // One line a cause, not one an attempt.
  if (why != state_.last_error) log::warning("{}: {}; trying again", options_.stream, why);
  state_.last_error = why;
  if (!lost_at_) {
    lost_at_ = Clock::now();
    mailbox_.lost();
  }
}

}  // namespace graft::video
