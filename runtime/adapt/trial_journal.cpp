// SPDX-License-Identifier: Apache-2.0
#include "runtime/adapt/trial_journal.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/core/error.h"

namespace graft::adapt {
namespace {

FinishedTrial read_finished(const Json& json, const std::string& source) {
  try {
    FinishedTrial out{.trial = {.id = json.at("id"),
                                .priority = Priority::parse(json.at("priority").get<std::string>()),
                                .budget = json.at("budget")},
                      .objective = json.at("objective"),
                      .cost_units = json.at("cost_units"),
                      .seconds = json.at("seconds")};
    if (out.trial.id < 0 || !std::isfinite(out.objective)) throw Error(Errc::kConfig, "bad value");
    return out;
  } catch (const std::exception& error) {
    fail(Errc::kConfig, source, ": not a finished trial: ", error.what());
  }
}

}  // namespace

TrialJournal::TrialJournal(const std::filesystem::path& path) : writer_(path) {
  std::size_t line = 1;
  for (const Json& record : read_records(path)) {
    const std::string source = detail::cat(path.string(), " line ", line++);
    const FinishedTrial finished = read_finished(record, source);
    if (contains(finished.trial)) {
      fail(Errc::kConfig, source, ": trial ", finished.trial.id, " with ", finished.trial.budget,
           " cost units is there twice");
    }
    finished_.push_back(finished);
  }
}

void TrialJournal::append(const FinishedTrial& finished) {
  const Trial& trial = finished.trial;
  writer_.write({{"id", trial.id},
                 {"priority", trial.priority.text()},
                 {"budget", trial.budget},
                 {"objective", finished.objective},
                 {"cost_units", finished.cost_units},
                 {"seconds", finished.seconds}});
  writer_.sync();
  finished_.push_back(finished);
}

bool TrialJournal::contains(const Trial& trial) const {
  return std::any_of(finished_.begin(), finished_.end(), [&](const FinishedTrial& f) {
    return f.trial.id == trial.id && f.trial.budget == trial.budget;
  });
}

double TrialJournal::total_cost_units() const {
  std::map<std::int64_t, double> spent;  // a trial's largest: later rungs include the earlier
  for (const FinishedTrial& f : finished_) {
    double& units = spent[f.trial.id];
    units = std::max(units, f.cost_units);
  }
  double sum = 0;
  for (const auto& [id, units] : spent) sum += units;
  return sum;
}

}  // namespace graft::adapt
