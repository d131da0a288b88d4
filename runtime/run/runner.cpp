// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/runner.h"

#include <algorithm>
#include <future>
#include <utility>

#include <malloc.h>

#include "engine/core/log.h"
#include "engine/core/text.h"
#include "engine/device/thread_budget.h"
#include "runtime/run/costs.h"
#include "runtime/run/plan.h"

namespace graft::run {
namespace {

constexpr std::chrono::milliseconds kPatience{100};

/// Does `work` in a thread of its own and waits for it: its OpenMP threads end with it.
template <class F>
auto beside(const F& work) {
  return std::async(std::launch::async, work).get();
}

video::OpenSource opener(const RunnerOptions& options) {
  return [uri = options.source, fps = options.fps](const std::atomic<bool>& stop) {
    return video::open_source(uri, {.fps = fps, .stop = &stop});
  };
}

std::vector<std::string> names_of(const std::vector<RunApp>& apps) {
  std::vector<std::string> names;
  for (const RunApp& app : apps) names.push_back(app.name);
  return names;
}

std::vector<RunApp>::iterator find(std::vector<RunApp>& apps, const std::string& name) {
  const auto found = std::find_if(apps.begin(), apps.end(),
                                  [&name](const RunApp& app) { return app.name == name; });
  if (found == apps.end()) {
    const auto names = names_of(apps);
    fail(Errc::kConfig, "no application '", name, "' runs", did_you_mean(name, names), "; there ",
         names.empty() ? "is none" : "are " + join(names, ", "));
  }
  return found;
}

std::vector<RunApp> load_apps(const RunnerOptions& options) {
  if (options.packages.empty() && options.plan.empty()) {
    fail(Errc::kUsage, "--apps PACKAGE... says what runs, or a --plan that was made from packages");
  }
  if (options.packages.empty()) return load_planned_apps(options.plan);
  std::vector<RunApp> apps;
  for (const auto& path : options.packages) {
    RunApp app = load_app(path);
    name_apart(app, apps);
    apps.push_back(std::move(app));
  }
  return apps;
}

/// What nodes took says what layers took only where each runs on one image and all run in one tree.
void check_measured_costs(const RunnerOptions& options) {
  if (options.measured_costs.empty()) return;
  if (!options.sharing || !options.views.empty()) {
    fail(Errc::kUsage, "--measured-costs are those of one tree; leave out --no-sharing and --crop");
  }
  if (!options.plan.empty() && options.costs.empty()) {
    fail(Errc::kUsage,
         "--measured-costs with --plan needs the --costs that the plan was made with");
  }
}

/// Views belong to applications that are there, and to schedules that are made here.
void check_views(const RunnerOptions& options, const std::vector<RunApp>& apps) {
  const auto names = names_of(apps);
  for (const auto& [name, view] : options.views) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    fail(Errc::kConfig, "--crop ", name, ": no such application", did_you_mean(name, names),
         "; there are ", join(names, ", "));
  }
  if (!options.views.empty() && !options.plan.empty()) {
    fail(Errc::kUsage, "--crop and --plan: a plan knows one view of the picture; give --budget");
  }
}

bool same_places(const Schedule& a, const Schedule& b) {
  return std::equal(a.apps.begin(), a.apps.end(), b.apps.begin(), b.apps.end(),
                    [](const ScheduledApp& x, const ScheduledApp& y) {
                      return x.name == y.name && x.place.frozen == y.place.frozen &&
                             x.place.fps == y.place.fps && x.votes == y.votes;
                    });
}

}  // namespace

Runner::Runner(const RunnerOptions& options, const std::function<bool()>& stop)
    : options_(options) {
  video::check_device(options_.source);
  check_measured_costs(options_);
  apps_ = load_apps(options_);
  if (options_.bases.empty()) options_.bases = apps_.front().package->path().parent_path();
  if (!options_.costs.empty()) costs_ = read_costs(options_.costs);
  check_views(options_, apps_);
  std::optional<Schedule> first;
  if (!options_.plan.empty()) first = read_plan(options_.plan, apps_);
  if (!options_.budget && !first) {
    fail(Errc::kUsage,
         "--budget says what the applications may cost a second; a --plan has its own");
  }
  set_views(apps_);
  budget_ = options_.budget.value_or(first ? first->budget : 0);
  if (options_.mode == video::FrameMode::kLive) {
    store_.emplace(options_.journal, apps_);
    if (auto changed = store_->load()) {
      apps_ = std::move(*changed);
      set_views(apps_);
      first.reset();
      log::info("{}: {} applications, as they were last changed", options_.stream, apps_.size());
    }
  }

  capture_ = std::make_unique<video::Capture>(
      opener(options_), video::CaptureOptions{.mode = options_.mode,
                                              .stream = options_.stream,
                                              .reopen = options_.source.live(),
                                              .paced = options_.mode == video::FrameMode::kLive &&
                                                       !options_.source.live()});
  while (!capture_->wait_open(kPatience)) {
    if (stop()) fail(Errc::kInterrupted, "stopped before ", options_.source.shown, " answered");
  }
  stream_fps_ = options_.fps > 0 ? options_.fps : capture_->state().fps;
  if (stream_fps_ <= 0) {
    fail(Errc::kConfig, options_.source.shown, ": declares no frame rate; give it as --fps");
  }
  schedule_ = first ? *first : schedule(apps_);
  loop_ = std::make_unique<FrameLoop>(*capture_, build(schedule_, apps_),
                                      FrameLoopOptions{.stream = options_.stream,
                                                       .journal = options_.journal,
                                                       .scores = options_.scores,
                                                       .snapshots = options_.snapshots});
  capture_->start();
}

std::unique_ptr<Deployment> Runner::build(const Schedule& schedule,
                                          const std::vector<RunApp>& apps) const {
  return beside([&] {
    return std::make_unique<Deployment>(
        std::make_unique<Context>(options_.backend, options_.threads), schedule, apps,
        DeploymentOptions{
            .stream_fps = stream_fps_, .bases = options_.bases, .sharing = options_.sharing});
  });
}

Schedule Runner::schedule(std::span<const RunApp> apps) {
  if (!apps.empty() && !costs_) {
    CostModel costs = beside([&] {
      Context ctx(options_.backend, options_.threads);
      BaseModels bases(options_.bases);
      ThreadBudget::Lease lease(ThreadBudget::process(), options_.threads);
      return measure_costs(ctx, *apps.front().package, bases, [&lease] { lease.give_way(); });
    });
    log::info("costs measured: {:.3f} ms a frame for the whole network, {} threads", costs.total(),
              options_.threads);
    const std::scoped_lock lock(costs_mutex_);
    costs_ = std::move(costs);
  }
  ScheduleRequest request = options_.request;
  request.settings.budget = budget_ / watch_.assumed();
  return schedule_apps(apps, stream_fps_, costs_.value_or(CostModel({})), request);
}

void Runner::deploy(const Schedule& next, std::vector<RunApp> apps) {
  auto deployment = build(next, apps);
  deployment = loop_->swap(std::move(deployment));
  deployment.reset();
  apps_ = std::move(apps);
  schedule_ = next;
  watch_.changed(std::chrono::steady_clock::now());
  ::malloc_trim(0);  // the old tree's memory goes back to the system
}

void Runner::set_views(std::vector<RunApp>& apps) const {
  for (RunApp& app : apps) {
    const auto view = options_.views.find(app.name);
    app.view = view == options_.views.end() ? View{} : view->second;
  }
}

void Runner::change_to(std::vector<RunApp> apps) {
  set_views(apps);
  if (store_) {
    for (const RunApp& app : apps) store_->keep(app);
  }
  const Schedule next = schedule(apps);
  deploy(next, std::move(apps));
  if (!store_) return;
  try {
    store_->write(apps_);
  } catch (const Error& e) {
    log::error("{}: the next start will not have this change: {}", options_.stream, e.what());
  }
}

std::string Runner::add(RunApp app) {
  const std::scoped_lock lock(change_mutex_);
  std::vector<RunApp> apps = apps_;
  name_apart(app, apps);
  const std::string name = app.name;
  apps.push_back(std::move(app));
  change_to(std::move(apps));
  log::info("{}: {} added", options_.stream, name);
  return name;
}

void Runner::remove(const std::string& name) {
  const std::scoped_lock lock(change_mutex_);
  std::vector<RunApp> apps = apps_;
  apps.erase(find(apps, name));
  change_to(std::move(apps));
  log::info("{}: {} removed", options_.stream, name);
}

std::string Runner::replace(const std::string& name, RunApp app) {
  const std::scoped_lock lock(change_mutex_);
  std::vector<RunApp> apps = apps_;
  const auto old = find(apps, name);
  if (app.package->header().task == old->package->header().task) {
    app.name = name;
  } else {
    name_apart(app, apps);
  }
  std::string now = app.name;
  *old = std::move(app);
  change_to(std::move(apps));
  log::info("{}: {} in the place of {}", options_.stream, now, name);
  return now;
}

void Runner::watch_budget() {
  if (options_.mode != video::FrameMode::kLive) return;
  const std::unique_lock lock(change_mutex_, std::try_to_lock);
  if (!lock || ended()) return;
  const auto now = std::chrono::steady_clock::now();
  const double before = watch_.assumed();
  const auto slowdown = watch_.look(BudgetWatch::slowdown(status().nodes), now);
  if (!slowdown) return;
  log::info("{}: the networks take {:.2f} of what their costs say, {:.2f} before; scheduling again",
            options_.stream, *slowdown, before);
  try {
    const Schedule next = schedule(apps_);
    if (!same_places(next, schedule_)) deploy(next, apps_);
  } catch (const Error& e) {
    // The old tree goes on, late where it must be.
    log::warning("{}: no other schedule: {}", options_.stream, e.what());
  }
}

RunStatus Runner::status() const {
  RunStatus out;
  out.stream = options_.stream;
  out.source = options_.source.shown;
  out.live = options_.mode == video::FrameMode::kLive;
  out.sharing = options_.sharing;
  out.uptime_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  out.threads = options_.threads;
  out.memory_bytes = resident_bytes();
  loop_->add_status(out);
  const std::scoped_lock lock(costs_mutex_);
  out.budget = budget_;
  if (!costs_) return out;
  out.cost_unit = costs_->unit();
  for (NodeStatus& node : out.nodes) {
    const double one = costs_->prefix(node.last) - costs_->prefix(node.first);
    node.planned_ms = one * static_cast<double>(node.rows);
  }
  return out;
}

std::filesystem::path Runner::upload_folder() const {
  const auto folder = options_.journal.parent_path();
  return folder.empty() ? "." : folder;
}

void Runner::stop() {
  loop_->stop();
  capture_->stop();
  capture_->rethrow_failure();
  const std::scoped_lock lock(costs_mutex_);
  if (options_.measured_costs.empty() || !costs_) return;
  write_costs(options_.measured_costs, loop_->measured_costs(*costs_));
}

}  // namespace graft::run
