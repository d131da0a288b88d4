// SPDX-License-Identifier: Apache-2.0
// A schedule with what it is expected to give, and its JSON form.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "scheduler/plan/exec_tree.h"
#include "scheduler/search/method.h"

namespace graft {

struct ScheduledApp {
  std::string name;
  Placement place;
  std::optional<int> votes;
  EventQuality quality;
  double best_alone_f1 = 0;  ///< what its best option would give, whatever it takes
};

struct Schedule {
  std::string id;  ///< of the workload
  std::vector<ScheduledApp> apps;
  std::vector<std::string> rejected;  ///< names of applications that were not admitted
  ExecTree tree;
  double cost = 0, budget = 0;
  double objective = 0;    ///< mean, weighted mean or smallest F1
  double upper_bound = 0;  ///< no schedule has a larger objective
  double cpu_seconds = 0;  ///< of making the options and searching, bound included
};

struct ScheduleRequest {
  Method method;
  ScheduleSettings settings;  ///< rates empty: those of default_rates()
  bool admit = false;         ///< leave out applications that do not fit instead of refusing
};

/// Schedules one workload. Throws Error(kConfig) that says what would fit if nothing does.
[[nodiscard]] Schedule make_schedule(const Workload& workload, const CostModel& costs,
                                     const ScheduleRequest& request);

/// "mean_f1" and "min_f1" (null without applications), "cost", "upper_bound_f1", "seconds" (of the
/// processor), "apps", "tree" and what was asked for. "x" is null for the model without votes;
/// "fnr" is 1 - recall, "fpr" 1 - precision.
[[nodiscard]] Json schedule_json(const Schedule& schedule, const ScheduleRequest& request);

/// An application of a plan: what a runner needs of a schedule.
struct PlannedApp {
  std::string name;
  Placement place;
  std::optional<int> votes;
};

/// The applications in what schedule_json() wrote. Throws Error(kModel) naming `source` and the
/// field.
[[nodiscard]] std::vector<PlannedApp> parse_plan(const Json& json, const std::string& source);

/// What each application gave up, and why, one sentence each.
[[nodiscard]] std::vector<std::string> explain(const Schedule& schedule, const Workload& workload);

}  // namespace graft
