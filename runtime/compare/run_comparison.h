// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "runtime/compare/arms.h"
#include "runtime/report/comparison.h"

namespace graft::compare {

struct ComparisonOptions {
  train::TrainOptions train;  ///< what all arms share; `out` is the folder, `seeds` how many
  std::string arms;           ///< see parse_arms
  std::function<void()> on_run = {};  ///< after each run; may be empty
};

struct ComparisonResult {
  bool interrupted = false;
  std::int64_t runs_done = 0, runs = 0;
};

/// Trains every arm with every seed, one run after the other in this process, seed by seed so that
/// what the machine does meanwhile meets all arms alike. Run directories are
/// OUT/<arm>/seed-<seed>; OUT/compare.json says what is compared, OUT/table.json and
/// OUT/report.html what came of it so far. Called again, finished runs are kept and an interrupted
/// one goes on; arms and seeds may be added. Throws Error(kUsage) before the first run,
/// Error(kConfig) naming what differs if OUT holds another comparison, and what a run throws.
[[nodiscard]] ComparisonResult run_comparison(const ComparisonOptions& options);

/// The arms of a comparison that have runs, in their order; the first `traditional` one is the
/// baseline. `folder`: OUT. Throws Error(kConfig) for a damaged record.
[[nodiscard]] std::vector<report::Group> load_arms(const std::filesystem::path& folder,
                                                   const std::vector<Arm>& arms);

/// table.json and report.html from the runs that are there.
void write_comparison(const std::filesystem::path& folder, const std::vector<Arm>& arms);

}  // namespace graft::compare
