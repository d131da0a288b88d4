// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace graft {

/// Pauses between attempts: doubling from `least` to `most`, each drawn from the upper half of its
/// length, so that many who failed together do not come back together.
class BackOff {
 public:
  using Duration = std::chrono::milliseconds;

  BackOff(Duration least, Duration most, unsigned seed)
      : least_(least), most_(most), next_(least), rng_(seed) {}

  [[nodiscard]] Duration next() {
    const auto pause = next_;
    next_ = std::min(most_, 2 * next_);
    const double share = std::uniform_real_distribution<>(0.5, 1)(rng_);
    return Duration(static_cast<Duration::rep>(share * static_cast<double>(pause.count())));
  }
  /// After a success.
  void reset() { next_ = least_; }

 private:
  Duration least_, most_, next_;
  std::minstd_rand rng_;
};

}  // namespace graft
