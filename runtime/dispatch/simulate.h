// SPDX-License-Identifier: Apache-2.0
// Parallel detection in virtual time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "runtime/dispatch/dispatcher.h"

namespace graft::dispatch {

/// A stream of frames and the engines that share it.
struct SimulationCase {
  std::string id;
  std::vector<double> mu;  ///< frames/s of each engine
  double lambda = 0;       ///< frames/s of the stream
  double seconds = 0;      ///< frames come at 0, 1/lambda, ... before this
  DispatchOptions dispatch;
};

struct SimulationResult {
  Ticks tick_hz = 0;  ///< ticks a second: the least number that makes all times whole
  std::vector<Ticks> service_ticks;
  Ticks period_ticks = 0;
  std::int64_t frames = 0, processed = 0, dropped = 0;
  std::vector<std::int64_t> per_worker;
  Ticks sum_latency_ticks = 0, max_latency_ticks = 0;  ///< arrival to completion
  std::int64_t longest_drop_burst = 0;                 ///< dropped frames in a row
  Ticks makespan_ticks = 0;                            ///< last completion

  /// processed / max(seconds, makespan).
  [[nodiscard]] double sigma_fps(double seconds) const;
};

/// Runs the case with the Dispatcher in exact integer time: at equal ticks completions come before
/// arrivals, by engine. Throws Error(kData) naming the case if its rates need too fine ticks or too
/// many frames.
[[nodiscard]] SimulationResult simulate(const SimulationCase& c);

/// Reads {"cases": [{"id", "mu": [..], "lam", "T", "policy": fcfs|rr|wrr|pap|eft, "cap": n or null,
/// "drop": newest|oldest|random|none}]}; other members are left alone. Weights of wrr are mu,
/// exact. Throws Error(kData) naming case and member.
[[nodiscard]] std::vector<SimulationCase> parse_cases(const Json& json, const std::string& source);

/// The members of a result in the cases' file; rates, shares and seconds to six decimals.
[[nodiscard]] Json to_json(const SimulationResult& result, double seconds);

}  // namespace graft::dispatch
