// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "runtime/cli/args.h"
#include "runtime/cli/commands.h"
#include "runtime/report/statistics.h"
#include "runtime/train/run_training.h"

namespace graft::cli {
namespace {

using train::RunResult;
using train::TrainOptions;

struct TrainArgs {
  TrainOptions options;
  std::string config;
  std::vector<std::string> set;
  bool dry_run = false, json = false;
};

/// Value of `--config X` or `--config=X`: the file must be read before the flags, which win over
/// it.
std::string config_of(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--config" && i + 1 < arguments.size()) return arguments[i + 1];
    if (arguments[i].rfind("--config=", 0) == 0) return arguments[i].substr(9);
  }
  return {};
}

/// Whether the subcommand, behind the flags of `graft` itself, is this one.
bool is_train(const std::vector<std::string>& arguments) {
  const auto first = std::find_if(arguments.begin(), arguments.end(),
                                  [](const std::string& a) { return a.rfind('-', 0) != 0; });
  return first != arguments.end() && *first == "train";
}

void set_train_option(TrainOptions& options, const std::string& key, const std::string& text,
                      const std::string& where) {
  constexpr std::string_view kSampler = "sampler.";
  if (key.rfind(kSampler, 0) == 0) {
    options.sampler_options[key.substr(kSampler.size())] = text;
  } else {
    set_option(options, key, text, where);
  }
}

void apply_set(TrainOptions& options, const std::vector<std::string>& assignments) {
  for (const std::string& a : assignments) {
    const auto equals = a.find('=');
    if (equals == std::string::npos) fail(Errc::kUsage, "--set ", a, ": expects key=value");
    set_train_option(options, a.substr(0, equals), a.substr(equals + 1), "--set");
  }
}

Json result_json(const RunResult& r) {
  return {{"epochs", r.epochs},         {"test_error", r.test_error},
          {"best_error", r.best_error}, {"test_loss", r.test_loss},
          {"counters", r.counters},     {"cost_units", cost_units(r.counters)},
          {"seconds", r.time.total()}};
}

void print_results(const std::vector<RunResult>& results, const TrainOptions& options, bool json) {
  if (json) {
    Json list = Json::array();
    for (const auto& r : results) list.push_back(result_json(r));
    std::cout << list.dump() << "\n";
    return;
  }
  std::vector<double> errors;
  for (const auto& r : results) {
    errors.push_back(100 * r.test_error);
    std::cout << fmt::format(
        "test error {:.2f} % (best {:.2f} %)  {} backprops  {:.0f} cost units  {:.1f} s\n",
        100 * r.test_error, 100 * r.best_error, r.counters.backprops, cost_units(r.counters),
        r.time.total());
  }
  if (errors.size() > 1) {
    const auto s = report::summarize(errors);
    std::cout << fmt::format("{} seeds: {:.2f} % +- {:.2f} (95 % interval), sd {:.2f}\n", s.n,
                             s.mean, s.half_width, s.sd);
  }
  std::cout << "report: " << options.out << "/report.html\n";
}

int run(TrainArgs& args) {
  apply_set(args.options, args.set);
  if (args.options.out.empty()) fail(Errc::kUsage, "--out RUN_DIR is missing");
  args.options.check();
  if (args.dry_run) {
    std::cout << args.options.to_json().dump(2) << "\n";
    return 0;
  }
  const auto results = train::run_training(args.options);
  print_results(results, args.options, args.json);
  if (results.back().end == RunResult::End::kInterrupted) {
    log::warning("interrupted; a checkpoint is saved, --resume goes on from it");
    return exit_code(Errc::kInterrupted);
  }
  return 0;
}

}  // namespace

std::vector<Command> add_train(CLI::App& root, const std::vector<std::string>& arguments) {
  auto args = std::make_shared<TrainArgs>();
  auto* app = root.add_subcommand("train", "Train a network");
  app->footer(
      "Examples:\n"
      "  graft train --data synthetic --model small_cnn --out runs/first\n"
      "  graft train --data cifar10:DIR --model resnet20 --sampler sb --beta 2 --out runs/sb\n"
      "Every option may also stand in the --config file or in the environment as GRAFT_<OPTION>;\n"
      "flags win over the environment, the environment over the file.");
  app->add_option("--config", args->config, "TOML file with options");
  app->add_option("--set", args->set,
                  "KEY=VALUE, any option; sampler.KEY=VALUE for the sampler's own");
  app->add_flag("--dry-run", args->dry_run, "print the resolved options and stop");
  app->add_flag("--json", args->json, "results as JSON on stdout");
  if (is_train(arguments)) {
    if (const std::string path = config_of(arguments); !path.empty()) {
      for (const auto& [key, text] : read_toml(path)) {
        set_train_option(args->options, key, text, path);
      }
    }
    for (const auto& [key, text] : from_environment(args->options)) {
      set_train_option(args->options, key, text, environment_name(key));
    }
  }
  add_flags(*app, args->options);
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli
