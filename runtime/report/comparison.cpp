// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

#include "engine/core/text.h"

namespace graft::report {
namespace {

/// Settings that the first part of a label says, or that do not set groups apart.
const std::set<std::string> kNotInLabel = {"sampler", "sampler_preset", "beta", "seed"};

std::string sampler_label(const RunRecord& run) {
  const std::string sampler = run.setting("sampler");
  if (sampler.empty()) return run.path.filename().string();
  static const std::map<std::string, std::string> kTitles = {
      {"traditional", "Traditional"}, {"sb", "SB"}, {"random", "Random"}};
  const auto title = kTitles.find(sampler);
  std::string out = title == kTitles.end() ? sampler : title->second;
  if (sampler == "traditional") return out;
  const auto in_force = run.sampler.find("beta");
  const std::string beta = in_force != run.sampler.end() && in_force->is_number()
                               ? fmt::format("{}", in_force->get<double>())
                               : run.setting("beta");
  if (!beta.empty()) out += ", β " + beta;
  if (run.setting("sampler_preset") == "paper") out += ", paper";
  return out;
}

/// Keys whose values are not the same in all runs.
std::vector<std::string> differing_settings(const std::vector<RunRecord>& runs) {
  std::vector<std::string> keys;
  std::set<std::string> seen;
  for (const RunRecord& run : runs) {
    for (const auto& [key, value] : run.settings.items()) {
      if (kNotInLabel.contains(key) || !seen.insert(key).second) continue;
      const bool same = std::all_of(runs.begin(), runs.end(), [&](const RunRecord& other) {
        return other.setting(key) == runs[0].setting(key);
      });
      if (!same) keys.push_back(key);
    }
  }
  return keys;
}

/// f over the runs of a group that have a finished epoch.
template <class F>
SeedSummary over_seeds(const Group& group, F&& f) {
  std::vector<double> values;
  for (const RunRecord& run : group.runs) {
    if (!run.epochs.empty()) values.push_back(f(run));
  }
  return summarize(values);
}

double final_error(const RunRecord& run) { return run.epochs.back().test_error; }

double best_error(const RunRecord& run) {
  double best = std::numeric_limits<double>::quiet_NaN();
  for (const EpochRecord& e : run.epochs) best = std::fmin(best, e.test_error);
  return best;
}

ComparisonRow row_of(const Group& group) {
  ComparisonRow row;
  row.label = group.label;
  row.baseline = group.baseline;
  for (const RunRecord& run : group.runs) {
    row.epochs = std::max(row.epochs, static_cast<std::int64_t>(run.epochs.size()));
  }
  row.final_error = over_seeds(group, final_error);
  row.best_error = over_seeds(group, best_error);
  const auto last = [&](auto&& f) {
    return over_seeds(group, [&](const RunRecord& run) { return f(run.epochs.back()); });
  };
  row.backprops = last([](const EpochRecord& e) { return double(e.counters.backprops); });
  row.updates = last([](const EpochRecord& e) { return double(e.counters.updates); });
  row.cost_units = last([](const EpochRecord& e) { return e.cost_units; });
  row.training_seconds = last([](const EpochRecord& e) { return e.training_seconds(); });
  return row;
}

}  // namespace

std::vector<Group> group_runs(std::vector<RunRecord> runs) {
  const std::vector<std::string> keys = differing_settings(runs);
  std::vector<Group> groups;
  for (RunRecord& run : runs) {
    std::vector<std::string> parts = {sampler_label(run)};
    for (const std::string& key : keys) parts.push_back(key + " " + run.setting(key));
    const std::string label = join(parts, ", ");
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Group& g) { return g.label == label; });
    if (group == groups.end()) {
      groups.push_back({.label = label, .baseline = false, .runs = {}});
      group = groups.end() - 1;
    }
    group->runs.push_back(std::move(run));
  }
  const auto baseline = std::find_if(groups.begin(), groups.end(), [](const Group& g) {
    return g.runs[0].setting("sampler") == "traditional";
  });
  if (baseline != groups.end()) baseline->baseline = true;
  return groups;
}

double cost_to_reach(const RunRecord& run, double error) {
  for (const EpochRecord& e : run.epochs) {
    if (e.test_error <= error) return e.cost_units;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::vector<ComparisonRow> compare(std::span<const Group> groups) {
  std::vector<ComparisonRow> rows;
  for (const Group& group : groups) rows.push_back(row_of(group));
  const auto baseline = std::find_if(rows.begin(), rows.end(), [](const ComparisonRow& row) {
    return row.baseline && row.final_error.n > 0;
  });
  if (baseline == rows.end()) return rows;
  const double reference = baseline->final_error.mean;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].targets.emplace();
    for (std::size_t k = 0; k < kTargetFactors.size(); ++k) {
      const double target = reference * kTargetFactors[k];
      (*rows[i].targets)[k] = {
          over_seeds(groups[i], [&](const RunRecord& run) { return cost_to_reach(run, target); }),
          std::ssize(groups[i].runs)};
    }
  }
  return rows;
}

}  // namespace graft::report
