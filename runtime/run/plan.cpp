// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/core/text.h"
#include "engine/io/file.h"
#include "scheduler/model/json_field.h"

namespace graft::run {
namespace {

constexpr std::uint64_t kMaxPlanBytes = std::uint64_t{64} << 20;
constexpr std::size_t kMaxApps = 4096;
constexpr double kMaxFps = 1e6;

int layers_of_all(std::span<const RunApp> apps) {
  std::set<std::string> names;
  const int n_layers = apps.front().package->header().n_layers();
  for (const RunApp& app : apps) {
    if (!names.insert(app.name).second) {
      fail(Errc::kConfig, "two packages of the task '", app.name, "'; a run has one of each");
    }
    const int own = app.package->header().n_layers();
    if (own != n_layers) {
      fail(Errc::kConfig, app.name, " has ", own, " layers, ", apps.front().name, " has ", n_layers,
           "; the applications of a stream are of one network");
    }
  }
  return n_layers;
}

ScheduledApp parse_app(const JsonField& field) {
  ScheduledApp app;
  app.name = field.at("name").text();
  app.place = {.frozen = field.at("frozen").integer(0, 1 << 20),
               .fps = field.at("fps").positive(kMaxFps)};
  if (const auto votes = field.find("x")) app.votes = votes->integer(1, kMaxVotes);
  app.quality = {.recall = field.at("recall").number(0, 1),
                 .precision = field.at("precision").number(0, 1),
                 .f1 = field.at("f1").number(0, 1)};
  return app;
}

}  // namespace

Schedule schedule_apps(std::span<const RunApp> apps, double stream_fps, const CostModel& costs,
                       const ScheduleRequest& request) {
  if (apps.empty()) {
    Schedule none;
    none.budget = request.settings.budget;
    return none;
  }
  const int n_layers = layers_of_all(apps);
  if (costs.n_layers() != n_layers) {
    fail(Errc::kConfig, "the costs are of ", costs.n_layers(),
         " layers, the packages' network has ", n_layers,
         "; measure it on this machine, or leave --costs out");
  }
  Workload workload{.id = "", .stream_fps = stream_fps, .apps = {}, .budget = {}};
  for (const RunApp& app : apps) workload.apps.push_back(application_of(app.package->header()));
  return make_schedule(workload, costs, request);
}

Schedule read_plan(const std::filesystem::path& path, std::span<const RunApp> apps) {
  const std::string source = path.string();
  const Json json = parse_json(read_file(path, kMaxPlanBytes), source, Errc::kModel);
  const JsonField root(json, source);
  std::map<std::string, ScheduledApp> planned;
  for (const JsonField& field : root.at("apps").elements(kMaxApps)) {
    ScheduledApp app = parse_app(field);
    const std::string name = app.name;
    if (!planned.emplace(name, std::move(app)).second) field.at("name").reject("is there twice");
  }
  Schedule out;
  out.budget = root.at("budget").number(0);
  out.cost = root.at("cost").number(0);
  std::vector<Placement> places;
  std::vector<std::string> names;
  for (const auto& [name, app] : planned) names.push_back(name);
  for (const RunApp& app : apps) {
    const auto found = planned.find(app.name);
    if (found == planned.end()) {
      fail(Errc::kConfig, source, ": plans nothing for ", app.name, did_you_mean(app.name, names),
           "; it has ", join(names, ", "));
    }
    (void)app.package->header().candidate(found->second.place.frozen);
    places.push_back(found->second.place);
    out.objective += found->second.quality.f1 / static_cast<double>(apps.size());
    out.apps.push_back(found->second);
  }
  if (apps.size() != planned.size()) {
    fail(Errc::kConfig, source, ": plans ", planned.size(), " applications (", join(names, ", "),
         "), but ", apps.size(), " packages were given");
  }
  if (!apps.empty()) out.tree = make_exec_tree(places, layers_of_all(apps));
  out.upper_bound = out.objective;
  return out;
}

}  // namespace graft::run
