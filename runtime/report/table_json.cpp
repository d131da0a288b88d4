// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/table_json.h"

#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace graft::report {
namespace {

Json finite_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json mean_json(const SeedSummary& s) { return s.n > 0 ? finite_or_null(s.mean) : Json(nullptr); }

Json ratio_json(const SeedSummary& s, const SeedSummary& reference) {
  if (s.n == 0 || reference.n == 0 || !(reference.mean > 0)) return nullptr;
  return finite_or_null(s.mean / reference.mean);
}

void add_reach(Json& json, const ComparisonRow& row, const ComparisonRow* baseline) {
  for (std::size_t k = 0; k < kTargetFactors.size(); ++k) {
    const TargetCost none;
    const TargetCost& own = row.targets ? (*row.targets)[k] : none;
    const TargetCost& other = baseline != nullptr ? (*baseline->targets)[k] : none;
    const std::string at = fmt::format("{:.1f}x", kTargetFactors[k]);
    json["time_to_" + at] = mean_json(own.seconds);
    json["updates_to_" + at] = mean_json(own.updates);
    json["backprops_to_" + at] = mean_json(own.backprops);
    json["cost_to_" + at] = mean_json(own.cost_units);
    json["median3_time_to_" + at] = mean_json(own.median_seconds);
    json["speedup_to_" + at] = ratio_json(other.seconds, own.seconds);
    json["runs_to_" + at] = own.seconds.n;
  }
}

Json row_json(const ComparisonRow& row, const ComparisonRow* baseline) {
  const SeedSummary none;
  Json json = {
      {"arm", row.label},
      {"n", row.final_error.n},
      {"test_error_mean", mean_json(row.final_error)},
      {"test_error_sd", row.final_error.sd},
      {"test_error_half_width_95", row.final_error.half_width},
      {"best_error_mean", mean_json(row.best_error)},
      {"best_error_sd", row.best_error.sd},
      {"seconds_per_epoch", mean_json(row.epoch_seconds)},
      {"seconds_per_epoch_sd", row.epoch_seconds.sd},
      {"seconds_per_epoch_median", mean_json(row.epoch_seconds_median)},
      {"seconds_ratio",
       ratio_json(row.epoch_seconds, baseline != nullptr ? baseline->epoch_seconds : none)},
      {"run_seconds", mean_json(row.training_seconds)},
      {"run_seconds_ratio",
       ratio_json(row.training_seconds, baseline != nullptr ? baseline->training_seconds : none)},
      {"cost_units", mean_json(row.cost_units)},
      {"cost_units_ratio",
       ratio_json(row.cost_units, baseline != nullptr ? baseline->cost_units : none)},
      {"kept_fraction", mean_json(row.kept_fraction)},
      {"flip_rate", mean_json(row.flip_rate)}};
  for (std::size_t i = 0; i < kTimeShares.size(); ++i) {
    json["seconds"][std::string(kTimeShares[i])] = row.shares[i];
  }
  add_reach(json, row, baseline);
  return json;
}

}  // namespace

Json table_json(std::span<const Group> groups) {
  const std::vector<ComparisonRow> rows = compare(groups);
  const ComparisonRow* baseline = baseline_of(rows);
  Json arms = Json::array();
  for (const ComparisonRow& row : rows) arms.push_back(row_json(row, baseline));
  return {{"arms", arms},
          {"baseline", baseline != nullptr ? Json(baseline->label) : Json(nullptr)},
          {"seconds_basis", kSecondsBasis},
          {"ratio_basis",
           "the arm's mean over the baseline's: seconds_ratio of seconds_per_epoch, "
           "run_seconds_ratio and cost_units_ratio of whole runs, priming included"},
          {"time_basis",
           "training seconds at the end of the first epoch whose test error is at most the factor "
           "times the baseline's mean final error (median3: the median of the last three epochs); "
           "mean over the runs that reached it, runs_to_*"},
          {"kept_basis", "examples backpropagated per example of the training set, after priming"}};
}

}  // namespace graft::report
