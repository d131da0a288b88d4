// SPDX-License-Identifier: Apache-2.0
#include "sampler/score/loss_history.h"

#include <algorithm>
#include <iterator>

#include "engine/core/error.h"

namespace graft {

std::string_view name(Ties ties) {
  switch (ties) {
    case Ties::kStrict:
      return "strict";
    case Ties::kMid:
      return "mid";
    case Ties::kWeak:
      return "weak";
  }
  return "?";
}

LossHistory::LossHistory(std::int64_t capacity) : capacity_(capacity) {
  GRAFT_CHECK(capacity > 0, "history of ", capacity, " losses");
  ring_.reserve(static_cast<std::size_t>(capacity));
  sorted_.reserve(static_cast<std::size_t>(capacity));
}

void LossHistory::push(std::span<const float> losses) {
  if (std::ssize(losses) > capacity_) losses = losses.last(static_cast<std::size_t>(capacity_));
  evicted_.clear();
  for (const float loss : losses) {
    if (std::ssize(ring_) < capacity_) {
      ring_.push_back(loss);
    } else {
      evicted_.push_back(ring_[next_]);
      ring_[next_] = loss;
      next_ = (next_ + 1) % ring_.size();
    }
  }
  added_.assign(losses.begin(), losses.end());
  std::sort(added_.begin(), added_.end());
  std::sort(evicted_.begin(), evicted_.end());
  kept_.clear();
  std::set_difference(sorted_.begin(), sorted_.end(), evicted_.begin(), evicted_.end(),
                      std::back_inserter(kept_));
  sorted_.clear();
  std::merge(kept_.begin(), kept_.end(), added_.begin(), added_.end(), std::back_inserter(sorted_));
}

double LossHistory::percentile(float loss, Ties ties, bool except_self) const {
  const auto [low, high] = std::equal_range(sorted_.begin(), sorted_.end(), loss);
  const std::int64_t smaller = low - sorted_.begin();
  const std::int64_t self = except_self ? 1 : 0;
  const std::int64_t equal = high - low - self;
  GRAFT_CHECK(equal >= 0, "loss ", loss, " is not in the window");
  const std::int64_t others = size() - self;
  if (others == 0) return 0;
  const double tie = ties == Ties::kStrict ? 0.0 : ties == Ties::kMid ? 0.5 : 1.0;
  return (static_cast<double>(smaller) + tie * static_cast<double>(equal)) /
         static_cast<double>(others);
}

std::vector<float> LossHistory::values() const {
  std::vector<float> out = ring_;
  std::rotate(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(next_), out.end());
  return out;
}

void LossHistory::restore(std::span<const float> oldest_first) {
  GRAFT_CHECK(std::ssize(oldest_first) <= capacity_, "history of ", capacity_, " losses given ",
              oldest_first.size());
  ring_.clear();
  sorted_.clear();
  next_ = 0;
  push(oldest_first);
}

}  // namespace graft
