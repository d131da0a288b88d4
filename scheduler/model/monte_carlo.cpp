// SPDX-License-Identifier: Apache-2.0
#include "scheduler/model/monte_carlo.h"

#include <cmath>

namespace graft {
namespace {

/// Of `hits` among `n` trials; one more of each kind keeps the error of 0 or n hits above 0.
Estimate share(std::int64_t hits, std::int64_t n) {
  const auto h = static_cast<double>(hits), total = static_cast<double>(n);
  const double smoothed = (h + 1) / (total + 2);
  return {.value = h / total, .standard_error = std::sqrt(smoothed * (1 - smoothed) / total)};
}

Philox stream(std::uint64_t seed, std::uint64_t id) {
  return Philox({.seed = seed, .purpose = RngPurpose::kMonteCarlo, .epoch = 0, .id = id});
}

/// Delta method: precision = a / (a + b) with a = phi * recall and b = (1 - phi) * false alarm.
Estimate precision_of(double frequency, const Estimate& recall, const Estimate& alarm) {
  const double a = frequency * recall.value, b = (1 - frequency) * alarm.value;
  if (a + b == 0) return {.value = 1, .standard_error = 0};
  const double by_recall = b * frequency / ((a + b) * (a + b)) * recall.standard_error;
  const double by_alarm = a * (1 - frequency) / ((a + b) * (a + b)) * alarm.standard_error;
  return {.value = a / (a + b), .standard_error = std::hypot(by_recall, by_alarm)};
}

}  // namespace

bool simulate_event(const SimulatedDetector& detector, double frames, Philox& random) {
  const double needed = detector.votes.value_or(1);
  double run = 0;
  bool first = true;
  for (double at = random.uniform_double() * detector.stride; at < frames; at += detector.stride) {
    double rate = detector.rate;
    if (detector.votes) {
      if (run > 0) rate += detector.correlation * (1 - rate);
    } else if (!first) {
      rate -= detector.correlation * rate;  // all frames before this one missed
    }
    first = false;
    run = random.uniform_double() < rate ? run + 1 : 0;
    if (run == needed) return true;
  }
  return false;
}

SimulatedQuality simulate_quality(const EventStatistics& events, const FrameDetector& detector,
                                  const FrameRates& rates, std::optional<int> votes,
                                  EventModel model, std::int64_t n, std::uint64_t seed) {
  SimulatedDetector simulated{.rate = detector.hit_rate,
                              .correlation = events.correlation,
                              .stride = rates.stream_fps / rates.fps,
                              .votes = votes};
  const double frames[] = {event_frames(events, rates, model)};
  SimulatedQuality out;
  out.recall = simulate_trace(simulated, frames, n, 2 * seed);
  simulated.rate = detector.false_alarm_rate;
  out.false_alarm = simulate_trace(simulated, frames, n, 2 * seed + 1);
  out.precision = precision_of(events.frequency, out.recall, out.false_alarm);
  return out;
}

Estimate simulate_trace(const SimulatedDetector& detector, std::span<const double> lengths,
                        std::int64_t n_each, std::uint64_t seed) {
  std::int64_t hits = 0;
  for (std::size_t e = 0; e < lengths.size(); ++e) {
    Philox random = stream(seed, e);
    for (std::int64_t i = 0; i < n_each; ++i) hits += simulate_event(detector, lengths[e], random);
  }
  return share(hits, n_each * static_cast<std::int64_t>(lengths.size()));
}

}  // namespace graft
