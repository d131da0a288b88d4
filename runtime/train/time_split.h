// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "engine/io/json.h"

namespace graft::train {

/// Where the wall time of a run goes, in seconds, cumulative from its start (also over a resume).
struct TimeSplit {
  double select = 0;  ///< selection forward
  double policy = 0;  ///< choosing and queueing, without the forward
  double forward = 0;
  double backward = 0;
  double optimizer = 0;  ///< with the check of the gradient
  double data = 0;       ///< waiting for the loader
  double eval = 0;
  double other = 0;  ///< what is left: checkpoints, records, reports

  [[nodiscard]] double total() const {
    return select + policy + forward + backward + optimizer + data + eval + other;
  }
  [[nodiscard]] Json to_json() const;
  static TimeSplit from_json(const Json& json);
};

/// Adds the time from construction to stop() or destruction to one share.
class Stopwatch {
 public:
  explicit Stopwatch(double& share) : share_(&share) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() { stop(); }
  void stop() {
    if (share_ != nullptr) *share_ += seconds();
    share_ = nullptr;
  }
  /// Stops, and goes on with another share.
  void switch_to(double& share) {
    stop();
    share_ = &share;
    start_ = Clock::now();
  }

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }
  double* share_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace graft::train
