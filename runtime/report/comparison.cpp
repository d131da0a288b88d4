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

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kMedianEpochs = 3;

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

/// Epochs at a run's start that do not show its steady pace; at least one epoch is left.
std::size_t priming_epochs(const RunRecord& run) {
  const auto own = run.sampler.find("prime_epochs");
  const std::int64_t primed =
      own != run.sampler.end() && own->is_number_integer() ? own->get<std::int64_t>() : 0;
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(primed, 1));
  return std::min(wanted, run.epochs.size() - 1);
}

/// What `cumulative` grew by in each epoch after priming.
template <class F>
std::vector<double> steady_epochs(const RunRecord& run, F&& cumulative) {
  std::vector<double> out;
  for (std::size_t i = priming_epochs(run); i < run.epochs.size(); ++i) {
    const double before = i == 0 ? 0 : cumulative(run.epochs[i - 1]);
    out.push_back(cumulative(run.epochs[i]) - before);
  }
  return out;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? kNan : sum / static_cast<double>(values.size());
}

/// Examples backpropagated per example of the training set, after priming.
double kept_fraction(const RunRecord& run) {
  const double kept =
      mean(steady_epochs(run, [](const EpochRecord& e) { return double(e.counters.backprops); }));
  if (run.examples > 0) return kept / static_cast<double>(run.examples);
  return kept / mean(steady_epochs(
                    run, [](const EpochRecord& e) { return double(e.counters.candidates); }));
}

double flip_rate(const RunRecord& run) {
  std::vector<double> rates;
  for (const EpochRecord& e : run.epochs) {
    if (std::isfinite(e.flip_rate)) rates.push_back(e.flip_rate);
  }
  return mean(rates);
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
  double best = kNan;
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
  const auto seconds = [](const EpochRecord& e) { return e.training_seconds(); };
  row.epoch_seconds =
      over_seeds(group, [&](const RunRecord& run) { return mean(steady_epochs(run, seconds)); });
  row.epoch_seconds_median =
      over_seeds(group, [&](const RunRecord& run) { return median(steady_epochs(run, seconds)); });
  row.kept_fraction = over_seeds(group, kept_fraction);
  row.flip_rate = over_seeds(group, flip_rate);
  for (std::size_t i = 0; i < row.shares.size(); ++i) {
    row.shares[i] = last([i](const EpochRecord& e) { return e.seconds[i]; }).mean;
  }
  return row;
}

TargetCost cost_of(const Group& group, double target) {
  const auto over = [&](double Crossing::*field, bool of_median = false) {
    return over_seeds(group, [&](const RunRecord& run) {
      const auto crossing = first_crossing(run, target, of_median);
      return crossing ? (*crossing).*field : kNan;
    });
  };
  return {.seconds = over(&Crossing::seconds),
          .cost_units = over(&Crossing::cost_units),
          .updates = over(&Crossing::updates),
          .backprops = over(&Crossing::backprops),
          .median_seconds = over(&Crossing::seconds, true),
          .of_runs = std::ssize(group.runs)};
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

std::optional<Crossing> first_crossing(const RunRecord& run, double error, bool of_median) {
  for (std::size_t i = of_median ? kMedianEpochs - 1 : 0; i < run.epochs.size(); ++i) {
    double seen = run.epochs[i].test_error;
    if (of_median) {
      std::vector<double> last;
      for (std::size_t k = 0; k < kMedianEpochs; ++k) last.push_back(run.epochs[i - k].test_error);
      seen = median(std::move(last));
    }
    if (!(seen <= error)) continue;
    const EpochRecord& e = run.epochs[i];
    return Crossing{.seconds = e.training_seconds(),
                    .cost_units = e.cost_units,
                    .updates = static_cast<double>(e.counters.updates),
                    .backprops = static_cast<double>(e.counters.backprops),
                    .shares = e.seconds};
  }
  return std::nullopt;
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
      (*rows[i].targets)[k] = cost_of(groups[i], reference * kTargetFactors[k]);
    }
  }
  return rows;
}

const ComparisonRow* baseline_of(std::span<const ComparisonRow> rows) {
  const auto found = std::find_if(rows.begin(), rows.end(), [](const ComparisonRow& row) {
    return row.baseline && row.targets.has_value();
  });
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace graft::report
