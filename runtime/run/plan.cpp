// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/plan.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
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

Json read_json(const std::filesystem::path& plan) {
  return parse_json(read_file(plan, kMaxPlanBytes), plan.string(), Errc::kModel);
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

/// Indices of the applications of each view.
std::vector<std::vector<std::size_t>> by_view(std::span<const RunApp> apps) {
  std::vector<std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < apps.size(); ++i) {
    const auto known = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      return apps[group.front()].view == apps[i].view;
    });
    if (known == groups.end()) {
      groups.push_back({i});
    } else {
      known->push_back(i);
    }
  }
  return groups;
}

/// Of some of the applications.
Workload workload_of(std::span<const RunApp> apps, std::span<const std::size_t> members,
                     double stream_fps, int n_layers) {
  std::vector<NamedPackage> packages;
  for (const std::size_t i : members) {
    packages.push_back({.name = apps[i].name, .package = apps[i].package});
  }
  return graft::workload_of(packages, stream_fps, n_layers);
}

/// No-Sharing at its best: where an application pays for its whole network whichever candidate it
/// runs, the exact choice of candidates and rates.
Schedule schedule_alone(std::span<const RunApp> apps, double stream_fps, const CostModel& costs,
                        ScheduleRequest request) {
  std::vector<std::size_t> all(apps.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  if (request.settings.rates.empty()) {
    request.settings.rates = default_rates(request.method, stream_fps);
  }
  request.method = {.kind = MethodKind::kExact};
  return make_schedule(workload_of(apps, all, stream_fps, costs.n_layers()), costs.unshared(),
                       request);
}

/// Makes schedules of one view, for as much of the budget as it is given.
class ViewScheduler {
 public:
  ViewScheduler(std::span<const RunApp> apps, std::span<const std::size_t> members,
                double stream_fps, const CostModel& costs, const ScheduleRequest& request)
      : costs_(costs),
        request_(request),
        workload_(workload_of(apps, members, stream_fps, costs.n_layers())) {}
  [[nodiscard]] Schedule with(double budget) const {
    ScheduleRequest request = request_;
    request.settings.budget = budget;
    return make_schedule(workload_, costs_, request);
  }
  /// Nothing if nothing fits.
  [[nodiscard]] std::optional<Schedule> try_with(double budget) const {
    try {
      return with(budget);
    } catch (const Error& e) {
      if (e.code() != Errc::kConfig) throw;
      return std::nullopt;
    }
  }

 private:
  const CostModel& costs_;
  const ScheduleRequest& request_;
  Workload workload_;
};

constexpr std::size_t kShares = 20;

/// The twentieths of the budget that each view gets; empty if nothing fits. schedules[v][k]: view v
/// with k + 1 of them.
std::vector<std::size_t> divide(const std::vector<std::vector<std::optional<Schedule>>>& schedules,
                                Objective objective) {
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  const std::size_t views = schedules.size();
  // value[v][k]: of the first v views with k shares; taken[v][k]: those of view v - 1 then.
  std::vector<std::vector<double>> value(views + 1, std::vector<double>(kShares + 1, kNone));
  std::vector<std::vector<std::size_t>> taken(views + 1, std::vector<std::size_t>(kShares + 1, 0));
  value[0].assign(kShares + 1, objective == Objective::kMaxMin ? 1.0 : 0.0);
  for (std::size_t v = 0; v < views; ++v) {
    for (std::size_t k = 1; k <= kShares; ++k) {
      for (std::size_t own = 1; own <= k; ++own) {
        const auto& schedule = schedules[v][own - 1];
        if (!schedule) continue;
        const double before = value[v][k - own], f1 = schedule->objective;
        const double now = objective == Objective::kMaxMin
                               ? std::min(before, f1)
                               : before + f1 * static_cast<double>(schedule->apps.size());
        if (now <= value[v + 1][k]) continue;
        value[v + 1][k] = now;
        taken[v + 1][k] = own;
      }
    }
  }
  if (value[views][kShares] == kNone) return {};
  std::vector<std::size_t> shares(views);
  for (std::size_t v = views, k = kShares; v > 0; k -= shares[--v]) shares[v - 1] = taken[v][k];
  return shares;
}

/// Several views, each with a schedule of its own.
Schedule schedule_views(std::span<const RunApp> apps,
                        const std::vector<std::vector<std::size_t>>& groups, double stream_fps,
                        const CostModel& costs, const ScheduleRequest& request) {
  const double budget = request.settings.budget;
  std::vector<std::vector<std::optional<Schedule>>> schedules;
  for (const auto& group : groups) {
    const ViewScheduler view(apps, group, stream_fps, costs, request);
    auto& of_view = schedules.emplace_back();
    for (std::size_t k = 1; k <= kShares; ++k) {
      of_view.push_back(view.try_with(budget * static_cast<double>(k) / kShares));
    }
    if (!of_view.back()) return view.with(budget);  // says what would fit
  }
  const auto shares = divide(schedules, request.settings.objective);
  if (shares.empty()) {
    fail(Errc::kConfig, "a budget of ", budget, " is too small for ", groups.size(),
         " views of the picture: each has a stem of its own to pay");
  }
  Schedule out;
  out.budget = budget;
  out.apps.resize(apps.size());
  for (std::size_t v = 0; v < groups.size(); ++v) {
    const Schedule& part = *schedules[v][shares[v] - 1];
    for (std::size_t i = 0; i < groups[v].size(); ++i) out.apps[groups[v][i]] = part.apps[i];
    out.cost += part.cost;
  }
  for (const ScheduledApp& app : out.apps) {
    out.objective += app.quality.f1 / static_cast<double>(apps.size());
  }
  return out;
}

}  // namespace

Schedule schedule_apps(std::span<const RunApp> apps, double stream_fps, const CostModel& costs,
                       const ScheduleRequest& request) {
  if (apps.empty()) {
    Schedule none;
    none.budget = request.settings.budget;
    return none;
  }
  if (request.method.kind == MethodKind::kNoSharing) {
    return schedule_alone(apps, stream_fps, costs, request);
  }
  const auto groups = by_view(apps);
  if (groups.size() > 1) return schedule_views(apps, groups, stream_fps, costs, request);
  return ViewScheduler(apps, groups.front(), stream_fps, costs, request)
      .with(request.settings.budget);
}

std::vector<RunApp> load_planned_apps(const std::filesystem::path& plan) {
  const Json json = read_json(plan);
  const JsonField root(json, plan.string());
  std::vector<RunApp> apps;
  for (const JsonField& field : root.at("apps").elements(kMaxApps)) {
    const auto package = field.find("package");
    if (!package) {
      fail(Errc::kConfig, plan.string(), ": names no package for ", field.at("name").text(),
           "; give the packages with --apps");
    }
    RunApp app = load_app(plan.parent_path() / package->text());
    app.name = field.at("name").text();
    apps.push_back(std::move(app));
  }
  return apps;
}

Schedule read_plan(const std::filesystem::path& path, std::span<const RunApp> apps) {
  const std::string source = path.string();
  const Json json = read_json(path);
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
