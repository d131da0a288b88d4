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

/// Cost of reaching one target error, over the seeds that reached it.
struct TargetCost {
  SeedSummary cost_units;
  std::int64_t of_runs = 0;  ///< seeds in all
};

/// What a group's runs came to. Errors are fractions.
struct ComparisonRow {
  std::string label;
  bool baseline = false;
  std::int64_t epochs = 0;  ///< of its longest run
  SeedSummary final_error, best_error, backprops, updates, cost_units, training_seconds;
  std::optional<std::array<TargetCost, kTargetFactors.size()>> targets;  ///< if there is a baseline
};

/// Runs without a finished epoch count for nothing.
[[nodiscard]] std::vector<ComparisonRow> compare(std::span<const Group> groups);

/// Cost units at the end of the first epoch whose test error is at most `error`; NaN if none.
[[nodiscard]] double cost_to_reach(const RunRecord& run, double error);

}  // namespace graft::report
