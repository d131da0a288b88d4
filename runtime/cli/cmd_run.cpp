// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <iostream>
#include <thread>

#include <malloc.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/core/text.h"
#include "engine/device/thread_budget.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/schedule_options.h"
#include "runtime/cli/sink_credentials.h"
#include "runtime/events/publisher.h"
#include "runtime/run/http_server.h"
#include "runtime/run/runner.h"
#include "runtime/train/stop_signal.h"
#include "runtime/train/trainer.h"

namespace graft::cli {
namespace {

using Clock = std::chrono::steady_clock;
using train::StopSignal;

struct RunArgs {
  std::vector<std::string> apps, sinks, crops;
  std::string source, journal, plan, budget, mode, listen, scores, costs, measured, base, rates,
      token_file;
  std::string stream = "camera", method = "exact", device = "cpu", objective = "mean",
              voting = "off";
  double fps = 0, report_every_s = 10;
  int threads = 0;
  bool no_sharing = false, json = false;
  CLI::Option* method_flag = nullptr;
};

run::RunnerOptions options_of(const RunArgs& args) {
  run::RunnerOptions o;
  o.source = video::parse_source_uri(args.source);
  o.fps = args.fps;
  const bool live = args.mode.empty() ? o.source.live() : args.mode == "live";
  o.mode = live ? video::FrameMode::kLive : video::FrameMode::kReplay;
  o.stream = args.stream;
  o.packages.assign(args.apps.begin(), args.apps.end());
  for (const std::string& crop : args.crops) {
    const auto [name, view] = run::parse_view(crop);
    if (!o.views.emplace(name, view).second) fail(Errc::kUsage, "--crop ", name, ": given twice");
  }
  o.plan = args.plan;
  o.costs = args.costs;
  o.measured_costs = args.measured;
  o.bases = args.base;
  if (!args.budget.empty()) o.budget = parse_bound("--budget", args.budget);
  // Who shares nothing is scheduled by what that costs, unless told otherwise.
  const bool default_method = args.no_sharing && args.method_flag->count() == 0;
  o.request.method = parse_method(default_method ? "nosharing" : args.method);
  o.request.settings.objective = args.objective == "mean" ? Objective::kMean : Objective::kMaxMin;
  o.request.settings.votes = parse_voting(args.voting);
  o.request.settings.rates = parse_rates(args.rates);
  o.sharing = !args.no_sharing;
  const auto ctx = train::make_context(args.device, args.threads);
  o.backend = ctx->backend();
  o.threads = ctx->threads();
  o.journal = args.journal;
  o.scores = args.scores;
  o.snapshots = !args.listen.empty();
  return o;
}

void report(const run::RunStatus& status) {
  for (const std::string& line : run::report_lines(status)) log::info("{}", line);
  if (!status.frames.balanced())
    log::error("{}: frames are missing from the account", status.stream);
}

/// Until the stream is over or somebody stops it.
void supervise(run::Runner& runner, const RunArgs& args,
               const std::vector<std::unique_ptr<events::Publisher>>& publishers) {
  constexpr std::chrono::milliseconds kTick{50};
  constexpr std::chrono::seconds kLook{1};
  const auto report_every = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(args.report_every_s));
  auto look_at = Clock::now() + kLook, report_at = Clock::now() + report_every;
  while (!runner.ended() && !StopSignal::requested()) {
    std::this_thread::sleep_for(kTick);
    const auto now = Clock::now();
    if (now >= look_at) {
      runner.watch_budget();
      look_at = now + kLook;
    }
    if (now < report_at) continue;
    const run::RunStatus status = runner.status();
    report(status);
    for (const auto& publisher : publishers) publisher->sink().set_stats(to_json(status));
    report_at = now + report_every;
  }
}

int run_run(const RunArgs& args) {
  constexpr std::chrono::seconds kDeliver{5};
  // Trees are built by one thread and freed by another, for months: with a heap for every thread,
  // much of the memory would lie in holes.
  ::mallopt(M_ARENA_MAX, 2);
  const StopSignal signal;
  const run::RunnerOptions options = options_of(args);
  ThreadBudget::process().set(options.threads);
  run::Runner runner(options, StopSignal::requested);
  std::vector<std::unique_ptr<events::Publisher>> publishers;
  for (const std::string& address : args.sinks) {
    auto sink = events::make_sink(address, sink_credentials());
    const auto cursor = events::cursor_path(args.journal, *sink);
    publishers.push_back(
        std::make_unique<events::Publisher>(args.journal, std::move(sink), cursor));
  }
  std::optional<run::HttpServer> server;
  if (!args.listen.empty()) {
    server.emplace(runner, run::parse_listen_address(args.listen), run::read_token(args.token_file),
                   run::HttpServer::Limits{});
    log::info("listening on http://{}", server->address().text());
  }
  supervise(runner, args, publishers);
  const bool interrupted = !runner.ended();
  server.reset();
  const auto stop_all = [&] {
    for (const auto& publisher : publishers) {
      if (publisher->stop(kDeliver)) continue;
      log::warning("{}: events are left in the journal; they are delivered after the next start",
                   publisher->sink().name());
    }
  };
  try {
    runner.stop();
  } catch (...) {
    stop_all();
    throw;
  }
  stop_all();
  const run::RunStatus status = runner.status();
  report(status);
  if (args.json) std::cout << to_json(status).dump() << "\n";
  if (!interrupted) return 0;
  log::warning("stopped by a signal; events are closed and in the journal");
  return exit_code(Errc::kInterrupted);
}

void add_options(CLI::App* app, RunArgs& a) {
  app->add_option("--apps", a.apps,
                  "packages of graft package build; those that --plan names without");
  app->add_option("--source", a.source,
                  "file:FILE, images:FOLDER, rtsp://..., v4l2:DEVICE or synthetic:[key=value,...]; "
                  "${NAME} is taken from the environment")
      ->required();
  app->add_option("--journal", a.journal, "file that events are written to, JSON lines")
      ->required();
  app->add_option("--crop", a.crops,
                  "APP=LEFT,TOP,WIDTH,HEIGHT, shares of the picture: what an application looks at; "
                  "other views are other rows of one batch");
  app->add_option("--budget", a.budget, "cost a second: milliseconds, if costs are measured here");
  app->add_option("--plan", a.plan, "plan of graft schedule --out, instead of scheduling here");
  app->add_option("--costs", a.costs, "cost of each layer, JSON; measured at the start without it");
  app->add_option("--measured-costs", a.measured,
                  "cost file to write at the end: what the layers took in this run");
  app->add_option("--base", a.base, "base network or its folder; beside the first package without");
  app->add_option("--mode", a.mode,
                  "replay: every frame, as fast as it goes; live: the newest frame, at its time; "
                  "cameras are live")
      ->check(CLI::IsMember({"replay", "live"}));
  app->add_option("--fps", a.fps, "frames/s of the source, where it says none or others")
      ->check(CLI::PositiveNumber);
  app->add_option("--stream", a.stream, "name of the stream in events")->capture_default_str();
  app->add_option("--listen", a.listen,
                  "HOST:PORT of the page, metrics and graft ctl; port 0: any free one");
  app->add_option("--token-file", a.token_file,
                  "file with the token that --listen asks for (or GRAFT_TOKEN)");
  app->add_option("--sink", a.sinks, "where events go besides: stdout, mqtt://..., http(s)://...");
  app->add_option("--scores", a.scores, "file for every answer, JSON lines");
  app->add_flag("--no-sharing", a.no_sharing, "every application runs its whole network");
  a.method_flag = app->add_option("--method", a.method, join(method_names(), ", "));
  a.method_flag->capture_default_str();
  app->add_option("--objective", a.objective)
      ->check(CLI::IsMember({"mean", "maxmin"}))
      ->capture_default_str();
  app->add_option("--voting", a.voting, "positives in a row that make an event: off, 1 to 7, auto")
      ->capture_default_str();
  app->add_option("--rates", a.rates, "analysed frames/s to choose from, e.g. 1,2,5");
  app->add_option("--threads", a.threads, "of all networks together; 0: all cores")
      ->check(CLI::Range(0, 1024));
  app->add_option("--device", a.device)
      ->check(CLI::IsMember({"cpu", "cuda", "auto"}))
      ->capture_default_str();
  app->add_option("--report-every", a.report_every_s, "seconds between reports")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  app->add_flag("--json", a.json, "the last status on stdout");
}

}  // namespace

std::vector<Command> add_run(CLI::App& root) {
  auto args = std::make_shared<RunArgs>();
  auto* app = root.add_subcommand("run", "Run the applications of a stream on one shared network");
  app->footer(
      "Examples:\n  graft run --apps bus.mpkg car.mpkg --budget 500 --source file:street.mp4 "
      "--journal events.jsonl\n"
      "  graft run --apps bus.mpkg --budget 800 --source 'rtsp://viewer:${CAMERA_PASSWORD}@cam/1' "
      "--journal events.jsonl --listen 127.0.0.1:8080");
  add_options(app, *args);
  return {{app, [args] { return run_run(*args); }}};
}

}  // namespace graft::cli
