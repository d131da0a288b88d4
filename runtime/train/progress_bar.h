// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace graft::train {

/// How far a run is, on stderr: a line that is redrawn on a terminal, one plain line every ten
/// seconds elsewhere. Silent if the log level hides information.
class ProgressBar {
 public:
  struct State {
    int epoch = 0, epochs = 0;
    std::int64_t done = 0, total = 0;          ///< candidates of this epoch
    std::int64_t run_done = 0, run_total = 0;  ///< candidates of the whole run
    double loss = 0;                           ///< mean training loss of this epoch so far
    double kept = 1;        ///< backpropagated fraction of this epoch's candidates
    std::string what = {};  ///< shown instead of epoch, loss and kept, unless empty
  };

  explicit ProgressBar(bool quiet = false);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();

  /// Draws at most ten times a second on a terminal.
  void show(const State& state);
  /// Removes the line, so that other output can follow.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] std::string text(const State& state) const;

  bool terminal_, quiet_, drawn_ = false;
  Clock::time_point start_ = Clock::now(), last_ = start_;
  std::int64_t start_done_ = -1;
};

/// "1h02m", "3m20s", "12s".
[[nodiscard]] std::string format_duration(double seconds);

}  // namespace graft::train
