// SPDX-License-Identifier: Apache-2.0
#include "runtime/video/frame_picker.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "engine/core/error.h"

namespace graft::video {
namespace {

std::int64_t in_millionths(double fps) { return std::llround(fps * 1e6); }

}  // namespace

FramePicker::FramePicker(double stream_fps, std::span<const double> fps) : due_(fps.size()) {
  const std::int64_t whole = in_millionths(stream_fps);
  std::map<std::int64_t, std::vector<std::size_t>, std::greater<>> by_rate;
  for (std::size_t i = 0; i < fps.size(); ++i) {
    const std::int64_t rate = in_millionths(fps[i]);
    if (rate < 1 || rate > whole) {
      fail(Errc::kConfig, "an application wants ", fps[i], " frames/s of a stream that has ",
           stream_fps, "; schedule it again for this stream (--fps says its rate)");
    }
    by_rate[rate].push_back(i);
  }
  std::int64_t of = whole;
  for (auto& [rate, apps] : by_rate) {
    const std::int64_t divisor = std::gcd(rate, of);
    levels_.push_back({.rate = rate / divisor, .of = of / divisor, .taken = 0, .apps = apps});
    of = rate;
  }
}

std::span<const std::uint8_t> FramePicker::pick(std::int64_t index) {
  std::fill(due_.begin(), due_.end(), std::uint8_t{0});
  // Of n frames of the level before, a level takes ceil(n * rate / of): the first, then evenly.
  std::int64_t n = index + 1;
  for (Level& level : levels_) {
    const auto whole = n / level.of * level.rate;
    const auto rest = (n % level.of * level.rate + level.of - 1) / level.of;
    n = whole + rest;
    const bool due = n > level.taken;
    level.taken = n;
    if (due) {
      for (const std::size_t app : level.apps) due_[app] = 1;
    }
  }
  return due_;
}

}  // namespace graft::video
