// SPDX-License-Identifier: Apache-2.0
#include "scheduler/model/event_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "engine/core/error.h"

namespace graft {
namespace {

constexpr double kAbsent = 1e-8;  // the authors' bound for a recall or precision of zero

/// P(all of n analysed frames miss).
double all_miss(double rate, double correlation, double n) {
  if (n < 1) return 1;
  return (1 - rate) * std::pow((1 - rate) + correlation * rate, n - 1);
}

/// P(no `votes` positives in a row among n analysed frames). Element r of `run`: no detection so
/// far, the last r frames positive and the one before not.
double no_run(double rate, double correlation, double n, int votes) {
  const double after_hit = rate + correlation * (1 - rate);
  std::array<double, kMaxVotes> run{1.0};
  const auto last = static_cast<std::size_t>(votes) - 1;
  for (double i = 0; i < n; ++i) {
    std::array<double, kMaxVotes> next{};
    for (std::size_t r = 0; r <= last; ++r) {
      const double hit = r == 0 ? rate : after_hit;
      if (r < last) next[r + 1] = run[r] * hit;
      next[0] += run[r] * (1 - hit);
    }
    run = next;
  }
  double none = 0;
  for (std::size_t r = 0; r <= last; ++r) none += run[r];
  return none;
}

}  // namespace

std::string_view name(EventModel model) { return model == EventModel::kText ? "text" : "code"; }

double miss_probability(double rate, double frames, double stride, double correlation,
                        std::optional<int> votes) {
  GRAFT_CHECK(!votes || (*votes >= 1 && *votes <= kMaxVotes), "votes ", votes.value_or(0),
              "; 1 to ", kMaxVotes, " are counted");
  double analysed = frames / stride;
  // A whole number up to rounding is one, so that one vote more than frames is a recall of 0.
  if (const double whole = std::nearbyint(analysed); std::fabs(analysed - whole) < 1e-12 * whole) {
    analysed = whole;
  }
  const double fewer = std::floor(analysed), share_of_more = analysed - fewer;
  const auto miss = [&](double n) {
    return votes ? no_run(rate, correlation, n, *votes) : all_miss(rate, correlation, n);
  };
  const double least = miss(fewer);
  if (share_of_more == 0) return least;
  // In this form two equal terms give that term, not a rounding error beside it.
  return least + share_of_more * (miss(fewer + 1) - least);
}

double event_frames(const EventStatistics& events, const FrameRates& rates, EventModel model) {
  return events.length_ms / 1000 * (model == EventModel::kText ? rates.stream_fps : rates.fps);
}

EventQuality event_quality(const EventStatistics& events, const FrameDetector& detector,
                           const FrameRates& rates, std::optional<int> votes, EventModel model) {
  const double frames = event_frames(events, rates, model), stride = rates.stream_fps / rates.fps;
  const auto detected = [&](double rate) {
    return 1 - miss_probability(rate, frames, stride, events.correlation, votes);
  };
  EventQuality q;
  q.recall = detected(detector.hit_rate);
  const double true_positives = events.frequency * q.recall;
  const double false_positives = (1 - events.frequency) * detected(detector.false_alarm_rate);
  const double reported = true_positives + false_positives;
  q.precision = reported == 0 ? 1 : true_positives / reported;
  const bool absent = std::fabs(q.recall) < kAbsent || std::fabs(q.precision) < kAbsent;
  q.f1 = absent ? 0 : 2 / (1 / q.recall + 1 / q.precision);
  return q;
}

}  // namespace graft
