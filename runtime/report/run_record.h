// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/json.h"
#include "runtime/report/probe_records.h"
#include "sampler/score/cost.h"

namespace graft::report {

/// The shares of wall time in metrics.jsonl, in the order of the bars.
inline constexpr std::array<std::string_view, 8> kTimeShares = {
    "select", "policy", "forward", "backward", "optimizer", "data", "eval", "other"};
inline constexpr std::size_t kEvalShare = 6, kOtherShare = 7;

/// One record "epoch": counts and seconds from the start of the run. NaN where nothing was written.
struct EpochRecord {
  std::int64_t epoch = 0;
  Counters counters;
  double cost_units = 0;
  std::array<double, kTimeShares.size()> seconds{};  ///< 0 where nothing was written
  double lr = 0, train_loss = 0, test_loss = 0;
  double test_error = 0;  ///< fraction
  double flip_rate = 0;   ///< selections that cheap scores changed, fraction; NaN: not measured

  [[nodiscard]] double total_seconds() const;
  /// Without evaluation and the rest (checkpoints, records, probes), which are not of the method.
  [[nodiscard]] double training_seconds() const;
};

/// One record "loss_cdf": evenly spaced quantiles of an epoch's losses, smallest to largest.
struct LossCdf {
  std::int64_t epoch = 0;
  std::vector<double> quantiles;
};

/// A run directory, read.
struct RunRecord {
  std::filesystem::path path;
  Json settings;  ///< run.json's "fingerprint", or an empty object
  Json sampler;   ///< run.json's "sampler" if it is an object: the options in force
  std::vector<EpochRecord> epochs;
  std::vector<LossCdf> loss_cdfs;
  ProbeRecords probes;
  std::int64_t examples = 0;  ///< in the training set; 0: not known

  /// A setting as text; empty if there is none.
  [[nodiscard]] std::string setting(const std::string& key) const;
  /// Share of the candidates of epoch i that were backpropagated; NaN if it had none.
  [[nodiscard]] double kept_fraction(std::size_t i) const;
};

/// Reads a run directory, or every run directory in a folder that is not one itself (several
/// seeds), in the order of their names. Throws Error(kConfig) if there is none, or for a damaged
/// record.
[[nodiscard]] std::vector<RunRecord> load_runs(const std::filesystem::path& path);

/// One line per epoch, a header first.
[[nodiscard]] std::string summary_csv(const RunRecord& run);
/// Writes summary.csv into the run's directory.
void write_summary_csv(const RunRecord& run);

}  // namespace graft::report
