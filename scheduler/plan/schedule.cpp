// SPDX-License-Identifier: Apache-2.0
#include "scheduler/plan/schedule.h"

#include <algorithm>
#include <ctime>

#include "engine/core/error.h"
#include "scheduler/model/json_field.h"
#include "scheduler/search/admission.h"

namespace graft {
namespace {

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double objective_of(const Choice& choice, Objective objective) {
  if (choice.empty()) return 0;
  if (objective == Objective::kMaxMin) return smallest_f1(choice);
  return 1 - total_loss(choice) / static_cast<double>(choice.size());
}

[[noreturn]] void refuse(const Problem& problem, const ScheduleRequest& request) {
  const Problem own = restricted(problem, request.method);
  if (!is_feasible(own)) fail(Errc::kConfig, describe_refusal(own));
  fail(Errc::kConfig,
       "the method found no schedule within the bounds, though there are some; use "
       "--method exact");
}

double best_f1(const AppOptions& app) {
  double best = 0;
  for (const Option& o : app.options) best = std::max(best, o.quality.f1);
  return best;
}

/// `costs`: of the layers that the tree shows.
void fill(Schedule& out, const Problem& problem, const Choice& choice, const CostModel& costs,
          const Method& method) {
  for (std::size_t i = 0; i < choice.size(); ++i) {
    const AppOptions& app = problem.apps[i];
    out.apps.push_back({.name = std::string(app.name),
                        .place = choice[i].place,
                        .votes = choice[i].votes,
                        .quality = choice[i].quality,
                        .best_alone_f1 = best_f1(app)});
  }
  std::vector<Placement> places = placements(choice);
  if (method.kind == MethodKind::kNoSharing) {
    for (Placement& p : places) p.frozen = 0;
  }
  out.tree = make_exec_tree(places, costs.n_layers());
  out.cost = costs.cost(places);
  out.budget = problem.settings.budget;
  out.objective = objective_of(choice, problem.settings.objective);
}

}  // namespace

Schedule make_schedule(const Workload& workload, const CostModel& costs,
                       const ScheduleRequest& request) {
  const double start = cpu_seconds();
  ScheduleSettings settings = request.settings;
  if (settings.rates.empty()) settings.rates = default_rates(request.method, workload.stream_fps);
  const bool alone = request.method.kind == MethodKind::kNoSharing;
  const CostModel paid = alone ? costs.unshared() : costs;
  Problem any = make_problem(workload, costs, settings);
  Problem problem = alone ? make_problem(workload, paid, settings) : any;
  Schedule out;
  out.id = workload.id;
  if (request.admit) {
    const Admission admission = admit(restricted(problem, request.method));
    for (const std::size_t i : admission.rejected) out.rejected.emplace_back(problem.apps[i].name);
    problem = subset(problem, admission.admitted);
    any = subset(any, admission.admitted);
  }
  const auto choice = solve(problem, request.method);
  if (!choice) refuse(problem, request);
  fill(out, problem, *choice, costs, request.method);
  // What is proved to be optimal is its own bound.
  const bool proved = request.method.kind == MethodKind::kExact;
  out.upper_bound =
      proved || choice->empty() ? out.objective : std::max(out.objective, objective_bound(any));
  out.cpu_seconds = cpu_seconds() - start;
  return out;
}

Json schedule_json(const Schedule& schedule, const ScheduleRequest& request) {
  Json apps = Json::array();
  double sum = 0, least = 1;
  for (const ScheduledApp& a : schedule.apps) {
    sum += a.quality.f1;
    least = std::min(least, a.quality.f1);
    apps.push_back({{"name", a.name},
                    {"frozen", a.place.frozen},
                    {"fps", a.place.fps},
                    {"x", a.votes ? Json(*a.votes) : Json()},
                    {"f1", a.quality.f1},
                    {"recall", a.quality.recall},
                    {"precision", a.quality.precision},
                    {"fnr", 1 - a.quality.recall},
                    {"fpr", 1 - a.quality.precision}});
  }
  const bool any = !schedule.apps.empty();
  const auto n = static_cast<double>(schedule.apps.size());
  Json out;
  if (!schedule.id.empty()) out["id"] = schedule.id;
  out["mean_f1"] = any ? Json(sum / n) : Json();
  out["min_f1"] = any ? Json(least) : Json();
  out["cost"] = schedule.cost;
  out["budget"] = schedule.budget;
  out["objective"] = std::string(name(request.settings.objective));
  out["event_model"] = std::string(name(request.settings.model));
  out["objective_f1"] = any ? Json(schedule.objective) : Json();
  out["upper_bound_f1"] = any ? Json(schedule.upper_bound) : Json();
  out["gap"] = any ? Json(schedule.upper_bound - schedule.objective) : Json();
  out["seconds"] = schedule.cpu_seconds;
  out["apps"] = std::move(apps);
  if (!schedule.rejected.empty()) out["rejected"] = schedule.rejected;
  out["tree"] = schedule.tree;
  return out;
}

std::vector<PlannedApp> parse_plan(const Json& json, const std::string& source) {
  constexpr std::size_t kMaxApps = 1000;
  constexpr int kMaxLayers = 65536;
  constexpr double kMaxFps = 1000;
  std::vector<PlannedApp> apps;
  for (const JsonField& field : JsonField(json, source).at("apps").elements(kMaxApps)) {
    PlannedApp app;
    app.name = field.at("name").text();
    app.place.frozen = field.at("frozen").integer(0, kMaxLayers);
    app.place.fps = field.at("fps").positive(kMaxFps);
    if (const auto votes = field.find("x")) app.votes = votes->integer(1, kMaxVotes);
    apps.push_back(std::move(app));
  }
  return apps;
}

}  // namespace graft
