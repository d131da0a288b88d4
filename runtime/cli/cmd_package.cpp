// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/core/text.h"
#include "runtime/cli/commands.h"
#include "runtime/package/base_models.h"
#include "runtime/package/build.h"
#include "runtime/package/package.h"
#include "runtime/tree/measure_events.h"
#include "runtime/video/source_uri.h"

namespace graft::cli {
namespace {

struct Args {
  std::string from, out, positive, file, base, labels, column, frames;
  double fps = 0;
  PackageOptions options;
  bool json = false;
};

std::string positive_labels(const PackageHeader& h) {
  std::vector<std::string> labels;
  for (const int i : h.positive) labels.push_back(h.labels[static_cast<std::size_t>(i)]);
  return join(labels, ", ");
}

/// What `--json` shows: the package without graph and hashes of layers.
Json summary(const Package& package) {
  const PackageHeader& h = package.header();
  Json candidates = Json::array();
  for (const PackagedCandidate& c : h.candidates) {
    candidates.push_back({{"frozen", c.frozen},
                          {"branch", c.branch},
                          {"accuracy", c.accuracy},
                          {"accuracy_low", c.accuracy_low},
                          {"accuracy_high", c.accuracy_high},
                          {"tpr", c.tpr},
                          {"fpr", c.fpr},
                          {"pareto", c.pareto},
                          {"sha256", c.sha256}});
  }
  Json positive = Json::array();
  for (const int i : h.positive) positive.push_back(h.labels[static_cast<std::size_t>(i)]);
  return {{"file", package.path().string()},
          {"format", kPackageFormat},
          {"task", h.task},
          {"made_by", h.made_by},
          {"base", {{"sha256", h.base_sha256}, {"file", base_file_name(h.base_sha256)}}},
          {"layers", h.n_layers()},
          {"input", {h.preprocess.height, h.preprocess.width}},
          {"labels", h.labels},
          {"positive", positive},
          {"event_length_ms", h.events.length_ms},
          {"event_frequency", h.events.frequency},
          {"correlation", h.events.correlation},
          {"events", name(h.event_source)},
          {"candidates", candidates}};
}

void print(const Package& package) {
  const PackageHeader& h = package.header();
  std::cout << fmt::format(
      "{}: {}, {} layers, {} x {} pixels, {} labels, made by {}\n"
      "base {} ({})\n"
      "event: {}; {} ms, frequency {}, correlation {} ({})\n",
      package.path().string(), h.task, h.n_layers(), h.preprocess.width, h.preprocess.height,
      h.labels.size(), h.made_by, base_file_name(h.base_sha256), h.base_sha256, positive_labels(h),
      h.events.length_ms, h.events.frequency, h.events.correlation, name(h.event_source));
  std::cout << fmt::format("{:>6} {:<28} {:>8} {:>17} {:>8} {:>8} {:>6}\n", "frozen", "branch",
                           "accuracy", "95 % interval", "tpr", "fpr", "pareto");
  for (const PackagedCandidate& c : h.candidates) {
    std::cout << fmt::format("{:>6} {:<28} {:>8.4f} {:>8.4f}-{:.4f}  {:>8.4f} {:>8.4f} {:>6}\n",
                             c.frozen, c.branch, c.accuracy, c.accuracy_low, c.accuracy_high, c.tpr,
                             c.fpr, c.pareto ? "yes" : "");
  }
}

/// Event statistics and rates from --labels and --frames, or nothing to measure.
MeasurePackage measure_from(Context& ctx, const Args& args) {
  if (args.labels.empty() && args.frames.empty()) return {};
  if (args.labels.empty() || args.frames.empty()) {
    fail(Errc::kUsage, "--labels and --frames belong together");
  }
  if (args.options.event_length_ms || args.options.event_frequency || args.options.correlation) {
    fail(Errc::kUsage, "event statistics are either given or measured with --labels");
  }
  auto labels = events::read_frame_labels(args.labels, args.column);
  const auto uri = video::parse_source_uri(args.frames);
  if (args.fps <= 0 && uri.kind == video::SourceKind::kImages) {
    fail(Errc::kUsage, "images have no rate of their own; give --fps");
  }
  return [&ctx, &args, labels, uri](const std::shared_ptr<const Package>& package,
                                    PackageHeader& header) {
    const auto frames = video::open_source(uri, {.fps = args.fps});
    BaseModels bases;
    measure_events(ctx, package, bases, *frames, labels, frames->fps(), header);
  };
}

int run_build(Args& args) {
  if (!args.positive.empty()) args.options.positive = split(args.positive, ',');
  Context ctx(Backend::kCpu);
  const BuiltPackage built =
      build_package(ctx, args.from, args.options, args.out, measure_from(ctx, args));
  for (const int frozen : built.left_out) {
    log::warning("frozen-{} is left out: its cut lies inside what inference runs as one operation",
                 frozen);
  }
  const PackageHeader& h = built.header;
  std::cout << fmt::format(
      "{}: {}, {} candidates; positive: {}{}; event {} ms, frequency {}, "
      "correlation {} ({})\nbase {}\nsha256 {}\n",
      args.out, h.task, h.candidates.size(), positive_labels(h),
      args.options.positive.empty() ? " (--positive changes it)" : "", h.events.length_ms,
      h.events.frequency, h.events.correlation, name(h.event_source), built.base.string(),
      built.sha256);
  return 0;
}

int run_inspect(const Args& args) {
  const Package package(args.file);
  package.verify();
  if (args.json) {
    std::cout << summary(package).dump(2) << "\n";
  } else {
    print(package);
  }
  return 0;
}

int run_verify(const Args& args) {
  const Package package(args.file);
  package.verify();
  Context ctx(Backend::kCpu);
  const PackageHeader& h = package.header();
  const auto beside = package.path().parent_path() / base_file_name(h.base_sha256);
  const bool with_base = !args.base.empty() || std::filesystem::exists(beside);
  if (with_base) static_cast<void>(BaseModels(args.base).get(ctx, package));
  if (args.json) {
    const Json out = {{"file", args.file},
                      {"ok", true},
                      {"task", h.task},
                      {"candidates", h.candidates.size()},
                      {"base", with_base ? Json("verified") : Json("not here")}};
    std::cout << out.dump() << "\n";
  } else {
    std::cout << fmt::format("{}: sound, {} candidates; base {}\n", args.file, h.candidates.size(),
                             with_base ? "verified" : "not here: " + beside.string());
  }
  return 0;
}

CLI::App* add_reader(CLI::App& package, Args& args, const char* name, const char* help) {
  auto* app = package.add_subcommand(name, help);
  app->add_option("file", args.file, "package")->required();
  app->add_flag("--json", args.json, "machine-readable");
  return app;
}

CLI::App* add_build(CLI::App& package, Args& args) {
  auto* app = package.add_subcommand("build", "Make a package of what graft finetune left");
  app->footer(
      "Example:\n  graft package build --from runs/flowers --out flowers.mpkg --positive rose "
      "--event-length-ms 2000 --event-frequency 0.05\n"
      "  graft package build --from runs/cars --out cars.mpkg --labels labels.csv --frames "
      "images:frames --fps 12.5");
  app->add_option("--from", args.from, "output folder of graft finetune")->required();
  app->add_option("--out", args.out, "package to write; its base is put beside it")->required();
  app->add_option("--positive", args.positive,
                  "labels that mean an event, separated by commas; default: the one called as the "
                  "task, else the first");
  constexpr double kLongest = 1e9;
  app->add_option("--event-length-ms", args.options.event_length_ms, "of the shortest event")
      ->check(CLI::Range(1e-3, kLongest));
  app->add_option("--event-frequency", args.options.event_frequency, "share of event frames")
      ->check(CLI::Range(0.0, 1.0));
  app->add_option("--correlation", args.options.correlation,
                  "of the errors on neighbouring frames of an event")
      ->check(CLI::Range(0.0, 1.0));
  app->add_option("--labels", args.labels,
                  "labels of frames, CSV: measures the statistics and the candidates' rates");
  app->add_option("--column", args.column, "of --labels; default: label, or the only one");
  app->add_option("--frames", args.frames, "the frames that --labels is of: images:DIR, file:F");
  app->add_option("--fps", args.fps, "of --frames; default: what the video says")
      ->check(CLI::Range(1e-3, 1000.0));
  return app;
}

}  // namespace

std::vector<Command> add_package(CLI::App& root) {
  auto args = std::make_shared<Args>();
  auto* package = root.add_subcommand("package", "Applications as files: build, inspect, verify");
  package->require_subcommand(1);
  auto* build = add_build(*package, *args);
  auto* inspect = add_reader(*package, *args, "inspect", "What a package holds");
  auto* verify =
      add_reader(*package, *args, "verify", "Check a package, and its base if it is there");
  verify->add_option("--base", args->base, "the base's model file, or the folder that has it");
  return {{build, [args] { return run_build(*args); }},
          {inspect, [args] { return run_inspect(*args); }},
          {verify, [args] { return run_verify(*args); }}};
}

}  // namespace graft::cli
