// SPDX-License-Identifier: Apache-2.0
// The event model by simulation: an independent check of event_model.h. Frames are drawn one by one
// as a Markov chain of hits and misses; nothing here uses the closed form.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/core/rng.h"
#include "scheduler/model/event_model.h"

namespace graft {

/// A detector on a stream of which every `stride`-th frame >= 1 is analysed.
struct SimulatedDetector {
  double rate = 0;  ///< P(positive) on a frame of the simulated kind
  double correlation = 0;
  double stride = 1;
  std::optional<int> votes;
};

/// Draws one event of `frames` frames at a random phase of the sampling; whether it is detected.
/// Without votes a miss follows a miss with (1 - rate) + correlation * rate, as in the model.
[[nodiscard]] bool simulate_event(const SimulatedDetector& detector, double frames, Philox& random);

/// An estimate with its normal-approximation standard error.
struct Estimate {
  double value = 0, standard_error = 0;
};

struct SimulatedQuality {
  Estimate recall, false_alarm;  ///< shares of events and of absent events that are reported
  Estimate precision;            ///< 1 if nothing is reported
};

/// As event_quality(), from `n` events and `n` absent events of the same length. The stream of
/// random numbers is addressed by `seed`.
[[nodiscard]] SimulatedQuality simulate_quality(const EventStatistics& events,
                                                const FrameDetector& detector,
                                                const FrameRates& rates, std::optional<int> votes,
                                                EventModel model, std::int64_t n,
                                                std::uint64_t seed);

/// Trace-driven: share of reported events when event lengths in frames are `lengths`, each drawn
/// `n_each` times with a new phase.
[[nodiscard]] Estimate simulate_trace(const SimulatedDetector& detector,
                                      std::span<const double> lengths, std::int64_t n_each,
                                      std::uint64_t seed);

}  // namespace graft
