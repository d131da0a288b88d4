// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/plan.h"

#include <map>
#include <string>
#include <vector>

#include "engine/core/text.h"
#include "engine/io/file.h"
#include "runtime/package/package_set.h"
#include "scheduler/model/json_field.h"

namespace graft::run {
namespace {

constexpr std::uint64_t kMaxPlanBytes = std::uint64_t{64} << 20;
constexpr std::size_t kMaxApps = 4096;
constexpr double kMaxFps = 1e6;

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
  std::vector<NamedPackage> packages;
  for (const RunApp& app : apps) packages.push_back({.name = app.name, .package = app.package});
  const Workload workload = workload_of(packages, stream_fps, costs.n_layers());
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
  if (!apps.empty()) out.tree = make_exec_tree(places, apps.front().package->header().n_layers());
  out.upper_bound = out.objective;
  return out;
}

}  // namespace graft::run
