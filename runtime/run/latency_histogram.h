// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace graft::run {

/// Durations in geometric classes from 10 microseconds to 40 seconds: constant memory, percentiles
/// within 10 %.
class LatencyHistogram {
 public:
  void add(double seconds);

  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] double sum_s() const { return sum_s_; }
  /// Smallest duration that a share of at least `share` does not exceed, within the width of a
  /// class; 0 without any.
  [[nodiscard]] double quantile_s(double share) const;
  /// (bound in seconds, durations up to it) for every octave: the buckets of a metric.
  [[nodiscard]] std::vector<std::pair<double, std::int64_t>> cumulative() const;

 private:
  static constexpr int kPerOctave = 4, kOctaves = 22;
  std::array<std::int64_t, std::size_t{kPerOctave} * kOctaves + 1> counts_{};  // last: beyond
  std::int64_t count_ = 0;
  double sum_s_ = 0;
};

}  // namespace graft::run
