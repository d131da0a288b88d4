// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/report/run_record.h"
#include "runtime/report/statistics.h"

namespace graft::report {

/// Runs that differ in their seed only.
struct Group {
  std::string label;      ///< e.g. "SB, beta 2", and what else sets it apart from the other groups
  bool baseline = false;  ///< the first group trained by the sampler `traditional`
  std::vector<RunRecord> runs;
};

/// In the order of first appearance.
[[nodiscard]] std::vector<Group> group_runs(std::vector<RunRecord> runs);

/// Targets: the baseline's final error times these.
inline constexpr std::array<double, 3> kTargetFactors = {1.1, 1.2, 1.4};

/// What one run had spent at the end of the first epoch that reached a target error.
struct Crossing {
  double seconds = 0;  ///< of training
  double cost_units = 0, updates = 0, backprops = 0;
  std::array<double, kTimeShares.size()> shares{};  ///< seconds, in the order of kTimeShares
};

/// First epoch with a test error of at most `error`; with `median`, the first whose last three test
/// errors have such a median. Nothing if there is none.
[[nodiscard]] std::optional<Crossing> first_crossing(const RunRecord& run, double error,
                                                     bool median = false);

/// Cost of reaching one target error, over the seeds that reached it.
struct TargetCost {
  SeedSummary seconds, cost_units, updates, backprops;
  SeedSummary median_seconds;  ///< by the median of three epochs
  std::int64_t of_runs = 0;    ///< seeds in all
};

/// How epoch_seconds is measured, for tables and pages.
inline constexpr const char* kSecondsBasis =
    "select + policy + forward + backward + optimizer + data, without evaluation and other "
    "(checkpoints, records, probes); mean over the epochs after priming (the first, or all of the "
    "sampler's prime_epochs), not their median, which would hide the fresh epochs of StaleSB; then "
    "mean over the seeds";

/// What a group's runs came to. Errors and fractions in [0, 1]; times are training seconds.
struct ComparisonRow {
  std::string label;
  bool baseline = false;
  std::int64_t epochs = 0;  ///< of its longest run
  SeedSummary final_error, best_error, backprops, updates, cost_units, training_seconds;
  SeedSummary epoch_seconds;         ///< mean epoch after priming, see kSecondsBasis
  SeedSummary epoch_seconds_median;  ///< median epoch after priming
  SeedSummary kept_fraction;         ///< backprops per example of the training set, after priming
  SeedSummary flip_rate;             ///< where it was measured
  std::array<double, kTimeShares.size()> shares{};  ///< seconds of a run, mean over the seeds
  std::optional<std::array<TargetCost, kTargetFactors.size()>> targets;  ///< if there is a baseline
};

/// Runs without a finished epoch count for nothing.
[[nodiscard]] std::vector<ComparisonRow> compare(std::span<const Group> groups);

/// The row that others are measured against; null if there is none.
[[nodiscard]] const ComparisonRow* baseline_of(std::span<const ComparisonRow> rows);

}  // namespace graft::report
