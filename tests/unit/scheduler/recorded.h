// SPDX-License-Identifier: Apache-2.0
// The authors' recorded workloads and schedules, read from ../shared beside the source tree.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "scheduler/model/application.h"
#include "scheduler/model/cost_model.h"
#include "scheduler/search/problem.h"

namespace graft::testing {

/// The file of that name among the oracles. Skip the test if have_recorded() is false.
[[nodiscard]] Json recorded_file(const std::string& name);
[[nodiscard]] bool have_recorded();

/// Curves of the applications (Pareto-filtered packages), by name.
using Curves = std::map<std::string, std::vector<Candidate>>;
[[nodiscard]] Curves recorded_curves();
[[nodiscard]] Curves recorded_curves_of_february();
/// The 85 layers that all scheduler figures use.
[[nodiscard]] CostModel recorded_costs();

/// One recorded workload, optionally with another correlation for all.
[[nodiscard]] Workload recorded_workload(const Json& definition, const Curves& curves,
                                         const Json& correlation = nullptr);

/// The published setting: `code` event model, mean F1.
[[nodiscard]] ScheduleSettings recorded_settings(double budget, double stream_fps);

/// A small random workload: `n_apps` applications with at most `n_candidates` each on at most
/// `n_layers` layers, values with few digits so that ties and exactly met budgets occur.
struct RandomProblem {
  Workload workload;
  CostModel costs;
  ScheduleSettings settings;
};
[[nodiscard]] RandomProblem random_problem(std::uint64_t id, int n_apps, int n_candidates,
                                           EventModel model);

}  // namespace graft::testing
