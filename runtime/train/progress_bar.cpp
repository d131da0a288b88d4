// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/progress_bar.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

#include "engine/core/log.h"

namespace graft::train {
namespace {

constexpr double kTerminalInterval = 0.1, kPlainInterval = 10;
constexpr int kBarWidth = 24;

}  // namespace

std::string format_duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(seconds, 0.0) + 0.5);
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s % 3600 / 60);
  if (s >= 60) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}s", s);
}

ProgressBar::ProgressBar(bool quiet) : terminal_(isatty(STDERR_FILENO) == 1), quiet_(quiet) {}

ProgressBar::~ProgressBar() { clear(); }

std::string ProgressBar::text(const State& s) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const auto seen = s.run_done - start_done_;
  const double rate = seconds > 0 ? static_cast<double>(seen) / seconds : 0;
  const std::string left =
      rate > 0 ? format_duration(static_cast<double>(s.run_total - s.run_done) / rate) : "?";
  if (!s.what.empty()) {
    return fmt::format("{}  {} of {}  {:.0f} images/s  {} left", s.what, s.done, s.total, rate,
                       left);
  }
  return fmt::format(
      "epoch {}/{}  {:3.0f} %  {:.0f} images/s  loss {:.4f}  kept {:.0f} %  {} left", s.epoch + 1,
      s.epochs,
      100.0 * static_cast<double>(s.done) / static_cast<double>(std::max<std::int64_t>(s.total, 1)),
      rate, s.loss, 100 * s.kept, left);
}

void ProgressBar::show(const State& state) {
  if (quiet_) return;
  if (start_done_ < 0) start_done_ = state.run_done;
  const auto now = Clock::now();
  const double since = std::chrono::duration<double>(now - last_).count();
  if (since < (terminal_ ? kTerminalInterval : kPlainInterval)) return;
  last_ = now;
  if (!terminal_) {
    log::info("{}", text(state));
    return;
  }
  const int filled =
      static_cast<int>(kBarWidth * state.done / std::max<std::int64_t>(state.total, 1));
  std::string bar(static_cast<std::size_t>(std::clamp(filled, 0, kBarWidth)), '=');
  bar.resize(kBarWidth, ' ');
  std::fprintf(stderr, "\r[%s] %s\x1b[K", bar.c_str(), text(state).c_str());
  drawn_ = true;
}

void ProgressBar::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace graft::train
