// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "engine/core/rng.h"

namespace graft::video {

/// Pauses between attempts: doubling from `least` to `most`, each drawn from the upper half of its
/// length, so that many cameras that failed together do not come back together.
class BackOff {
 public:
  using Duration = std::chrono::milliseconds;

  BackOff(Duration least, Duration most, std::uint64_t seed)
      : least_(least), most_(most), next_(least), rng_({seed, RngPurpose::kBackOff, 0, 0}) {}

  [[nodiscard]] Duration next() {
    const auto pause = next_;
    next_ = std::min(most_, 2 * next_);
    const double share = 0.5 + 0.5 * rng_.uniform_double();
    return Duration(static_cast<Duration::rep>(share * static_cast<double>(pause.count())));
  }
  /// After a success.
  void reset() { next_ = least_; }

 private:
  Duration least_, most_, next_;
  Philox rng_;
};

}  // namespace graft::video
