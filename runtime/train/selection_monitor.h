// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "engine/io/json.h"

namespace graft::train {

/// Compares the selection by cheap losses with the one by exact losses, under the same uniforms, on
/// every `every`-th slice. Source: spec/selective-backprop, section 4.8.
class SelectionMonitor {
 public:
  struct Options {
    /// Slices from one comparison to the next. An exact forward costs less than what a slice costs
    /// in all (section 4.6: 1/a + s(1+b)), so 100 keeps the monitor below 1 % of a run.
    std::int64_t every = 100;
    double flip_limit = 0.02;
    /// Candidates compared before the limit counts: below, chance alone may exceed it.
    std::int64_t min_candidates = 512;
  };
  /// What an epoch's comparisons say; rates are NaN if there were none.
  struct Report {
    std::int64_t slices = 0, candidates = 0;
    double flip_rate = 0;         ///< share of candidates whose decision differs
    double rank_correlation = 0;  ///< Spearman's, mean over the slices
    double jaccard = 0;           ///< of the chosen: common / all, over the epoch; 1 if none chosen
  };

  explicit SelectionMonitor(const Options& options);

  /// Call once a slice: whether this one is to be scored exactly as well.
  [[nodiscard]] bool due();
  /// Losses of one slice by both ways, and whether each candidate is chosen (not 0). All of one
  /// size.
  void compare(std::span<const float> cheap, std::span<const float> exact,
               std::span<const std::uint8_t> chosen_cheap,
               std::span<const std::uint8_t> chosen_exact);

  /// Of the epoch so far.
  [[nodiscard]] Report report() const;
  /// Whether this epoch's flip rate is above the limit: selection should go back to f32.
  [[nodiscard]] bool exceeded() const;
  /// Starts a new epoch; the count of slices goes on.
  void next_epoch();

  /// All counts, for a checkpoint, and back. restore throws Json::exception if one is missing.
  [[nodiscard]] Json state() const;
  void restore(const Json& state);

 private:
  Options options_;
  std::int64_t seen_ = 0;
  // Of the epoch.
  std::int64_t slices_ = 0, candidates_ = 0, flips_ = 0, common_ = 0, chosen_ = 0, ranked_ = 0;
  double rank_sum_ = 0;
};

/// Spearman's rank correlation of a and b; equal values share their mean rank. 1 if both are
/// constant, NaN if only one is or for fewer than 2. Sizes must be equal.
[[nodiscard]] double rank_correlation(std::span<const float> a, std::span<const float> b);

}  // namespace graft::train
