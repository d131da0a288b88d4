// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/core/text.h"
#include "engine/io/file.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/schedule_options.h"
#include "runtime/package/package_set.h"
#include "runtime/run/costs.h"
#include "scheduler/model/audit.h"
#include "scheduler/plan/schedule.h"

namespace graft::cli {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kMaxBatchBytes = std::uint64_t{1} << 30;
constexpr double kDefaultFps = 10;  // of all of the thesis' schedules

struct ScheduleArgs {
  std::vector<std::string> apps;
  std::string batch, costs, budget, max_latency, max_memory, rates, audit, out;
  std::string event_model = "text", objective = "mean", method = "exact", voting = "off";
  double confidence = 0.99, stream_fps = 0;
  bool json = false, explain = false, admit = false;
};

std::optional<double> optional_bound(const char* flag, const std::string& text) {
  if (text.empty()) return std::nullopt;
  return parse_bound(flag, text);
}

ScheduleRequest make_request(const ScheduleArgs& args) {
  ScheduleRequest request;
  request.method = parse_method(args.method);
  request.admit = args.admit;
  ScheduleSettings& s = request.settings;
  s.max_latency = optional_bound("--max-latency", args.max_latency);
  s.max_memory = optional_bound("--max-memory", args.max_memory);
  s.objective = args.objective == "mean"     ? Objective::kMean
                : args.objective == "maxmin" ? Objective::kMaxMin
                                             : Objective::kWeighted;
  s.model = args.event_model == "text" ? EventModel::kText : EventModel::kCode;
  s.votes = parse_voting(args.voting);
  s.rates = parse_rates(args.rates);
  return request;
}

/// Of the JSON files, that of all; else --stream-fps.
double stream_fps_of(const ScheduleArgs& args, const Workload& from_json) {
  if (args.stream_fps == 0) return from_json.apps.empty() ? kDefaultFps : from_json.stream_fps;
  if (!from_json.apps.empty() && from_json.stream_fps != args.stream_fps) {
    fail(Errc::kConfig, "--stream-fps ", args.stream_fps, ", but the applications' file says ",
         from_json.stream_fps);
  }
  return args.stream_fps;
}

std::vector<NamedPackage> read_packages(const ScheduleArgs& args) {
  std::vector<std::filesystem::path> packages;
  for (const std::string& path : args.apps) {
    if (is_package_file(path)) packages.emplace_back(path);
  }
  return open_packages(packages);
}

/// All files are of one stream; their applications share its stem.
Workload read_apps(const ScheduleArgs& args, std::span<const NamedPackage> packages, int n_layers,
                   EventModel model) {
  Workload all;
  for (const std::string& path : args.apps) {
    if (is_package_file(path)) continue;
    Workload one = read_workload(read_file(path, kMaxFileBytes), path, n_layers, model);
    if (all.stream_fps != 0 && all.stream_fps != one.stream_fps) {
      fail(Errc::kModel, path, ": stream_fps is ", one.stream_fps, ", that of the files before ",
           all.stream_fps, "; schedule the streams separately");
    }
    if (all.stream_fps == 0) {
      all = std::move(one);
    } else {
      all.apps.insert(all.apps.end(), one.apps.begin(), one.apps.end());
    }
  }
  all.stream_fps = stream_fps_of(args, all);
  const Workload more = workload_of(packages, all.stream_fps, n_layers);
  all.apps.insert(all.apps.end(), more.apps.begin(), more.apps.end());
  return all;
}

/// The flag if it is given, else the workload's own.
double budget_of(const ScheduleArgs& args, const Workload& workload, const std::string& where) {
  if (!args.budget.empty()) return parse_bound("--budget", args.budget);
  if (!workload.budget) fail(Errc::kConfig, where, ": no \"budget\"; give it there or as --budget");
  return *workload.budget;
}

std::string as_text(const Schedule& s) {
  std::string out = fmt::format("{:<28} {:>6} {:>6} {:>3} {:>8} {:>8} {:>9}\n", "application",
                                "frozen", "fps", "x", "F1", "recall", "precision");
  for (const ScheduledApp& a : s.apps) {
    out += fmt::format("{:<28} {:>6} {:>6g} {:>3} {:>8.4f} {:>8.4f} {:>9.4f}\n", a.name,
                       a.place.frozen, a.place.fps, a.votes ? std::to_string(*a.votes) : "-",
                       a.quality.f1, a.quality.recall, a.quality.precision);
  }
  for (const std::string& name : s.rejected) out += fmt::format("{:<28} not admitted\n", name);
  return out + fmt::format("objective {:.6f} (at most {:.6f}), cost {:.6g} of {:.6g}, {:.4f} s\n",
                           s.objective, s.upper_bound, s.cost, s.budget, s.cpu_seconds);
}

/// Adds what --audit finds to `json`; sentences to `words`.
void run_audit(const ScheduleArgs& args, const Workload& workload, Json& json,
               std::vector<std::string>& words) {
  const Json file = parse_json(read_file(args.audit, kMaxFileBytes), args.audit, Errc::kModel);
  Json flagged = Json::array();
  for (const AuditFinding& f :
       audit(workload, parse_agreements(file, args.audit), args.confidence)) {
    if (f.verdict == AuditVerdict::kConsistent) continue;
    words.push_back(describe(f));
    flagged.push_back({{"app", f.agreement.app},
                       {"frozen", {f.agreement.frozen_a, f.agreement.frozen_b}},
                       {"claimed", {f.claimed_a, f.claimed_b}},
                       {"disagreement", {f.disagreement_low, f.disagreement_high}},
                       {"reason", describe(f)}});
  }
  json["flagged"] = std::move(flagged);
}

/// Says which package each application comes from, so that the plan alone is enough for `graft
/// run`: relative to the plan's folder if it lies there, so that both may move.
void name_packages(Json& apps, std::span<const NamedPackage> packages,
                   const std::filesystem::path& plan) {
  const auto here = std::filesystem::current_path();
  for (Json& app : apps) {
    for (const NamedPackage& p : packages) {
      if (app.at("name") != p.name) continue;
      const auto path = here / p.package->path();
      const auto near = path.lexically_relative((here / plan).parent_path());
      app["package"] = (*near.begin() == ".." ? path : near).string();
    }
  }
}

void emit(const ScheduleArgs& args, const std::string& text) {
  if (args.out.empty()) {
    std::cout << text;
  } else {
    atomic_write(args.out, text);
  }
}

int run_one(const ScheduleArgs& args) {
  const CostModel costs = run::read_costs(args.costs);
  ScheduleRequest request = make_request(args);
  const auto packages = read_packages(args);
  const Workload workload = read_apps(args, packages, costs.n_layers(), request.settings.model);
  request.settings.budget = budget_of(args, workload, args.apps.front());
  const Schedule schedule = make_schedule(workload, costs, request);
  Json json = schedule_json(schedule, request);
  json["method"] = args.method;
  name_packages(json["apps"], packages, args.out);
  std::vector<std::string> words;
  if (args.explain) words = explain(schedule, workload);
  if (!words.empty()) json["explanation"] = words;
  if (!args.audit.empty()) run_audit(args, workload, json, words);
  std::string text = args.json || !args.out.empty() ? json.dump(2) + "\n" : as_text(schedule);
  if (!args.json && args.out.empty()) {
    for (const std::string& w : words) text += w + "\n";
  }
  emit(args, text);
  return 0;
}

/// Reads and checks every line before the first is scheduled.
std::vector<Workload> read_batch(const ScheduleArgs& args, int n_layers, EventModel model) {
  std::vector<Workload> out;
  std::size_t number = 0;
  for (const std::string& line : split(read_file(args.batch, kMaxBatchBytes), '\n')) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = fmt::format("{}:{}", args.batch, number);
    out.push_back(read_workload(line, where, n_layers, model));
    static_cast<void>(budget_of(args, out.back(), where));
  }
  return out;
}

int run_batch(const ScheduleArgs& args) {
  const CostModel costs = run::read_costs(args.costs);
  ScheduleRequest request = make_request(args);
  const auto workloads = read_batch(args, costs.n_layers(), request.settings.model);
  std::string text;
  std::size_t refused = 0;
  for (const Workload& w : workloads) {
    request.settings.budget = budget_of(args, w, args.batch);
    Json json;
    try {
      const Schedule schedule = make_schedule(w, costs, request);
      json = schedule_json(schedule, request);
      if (args.explain) json["explanation"] = explain(schedule, w);
    } catch (const Error& e) {
      if (e.code() != Errc::kConfig) throw;
      ++refused;
      if (!w.id.empty()) json["id"] = w.id;
      json["error"] = e.what();
    }
    text += json.dump() + "\n";
  }
  emit(args, text);
  if (refused == 0) return 0;
  log::error("{} of {} workloads have no schedule; their lines say why", refused, workloads.size());
  return exit_code(Errc::kConfig);
}

void add_options(CLI::App* app, ScheduleArgs& a) {
  auto* apps =
      app->add_option("--apps", a.apps, "applications of one stream: packages (.mpkg), JSON");
  auto* batch = app->add_option("--batch", a.batch, "many workloads, one JSON object a line");
  apps->excludes(batch);
  app->add_option("--costs", a.costs, "cost of each layer of the base network, JSON")->required();
  app->add_option("--budget", a.budget, "cost per second; without it, the workload's \"budget\"");
  app->add_option("--stream-fps", a.stream_fps, "frames/s of the stream of packages; default 10")
      ->check(CLI::Range(1e-3, 1000.0));
  app->add_option("--event-model", a.event_model,
                  "event length in frames of the stream, or as the "
                  "authors' program counts it")
      ->check(CLI::IsMember({"text", "code"}))
      ->capture_default_str();
  app->add_option("--objective", a.objective)
      ->check(CLI::IsMember({"mean", "maxmin", "weighted"}))
      ->capture_default_str();
  app->add_option("--method", a.method, join(method_names(), ", "))->capture_default_str();
  app->add_option("--voting", a.voting,
                  "positives in a row that make an event: off, 1 to 7, or auto to choose for each")
      ->capture_default_str();
  app->add_option("--rates", a.rates, "analysed frames/s to choose from, e.g. 1,2,5");
  app->add_option("--max-latency", a.max_latency, "bound of the cost of a frame that all analyse");
  app->add_option("--max-memory", a.max_memory, "bound of bytes; the cost file gives \"memory\"");
  app->add_option("--audit", a.audit, "agreement of deployed candidates, JSON: flags false claims");
  app->add_option("--confidence", a.confidence, "of --audit")
      ->check(CLI::Range(0.5, 0.999999))
      ->capture_default_str();
  app->add_option("--out", a.out, "write the plan (JSON) to this file");
  app->add_flag("--admit", a.admit, "leave out applications that do not fit, last first");
  app->add_flag("--explain", a.explain, "say what each application gave up");
  app->add_flag("--json", a.json, "machine-readable");
}

}  // namespace

std::vector<Command> add_schedule(CLI::App& root) {
  auto args = std::make_shared<ScheduleArgs>();
  auto* app = root.add_subcommand(
      "schedule", "Choose shared layers and frame rates for the applications of a stream");
  app->footer(
      "Examples:\n  graft schedule --apps apps.json --costs costs.json --budget 150 --explain\n"
      "  graft schedule --apps cars.mpkg people.mpkg --costs costs.json --budget 500 --out "
      "plan.json\n"
      "  graft schedule --batch workloads.jsonl --costs costs.json --method greedy > plans.jsonl");
  add_options(app, *args);
  return {{app, [args] {
             if (args->apps.empty() && args->batch.empty()) {
               fail(Errc::kUsage, "schedule: give --apps or --batch");
             }
             return args->batch.empty() ? run_one(*args) : run_batch(*args);
           }}};
}

}  // namespace graft::cli
