// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/train_args.h"
#include "runtime/report/statistics.h"
#include "runtime/train/run_training.h"

namespace graft::cli {
namespace {

using train::RunResult;
using train::TrainOptions;

struct Args {
  TrainArgs train;
  bool dry_run = false, json = false;
};

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

int run(Args& args) {
  const TrainOptions& options = args.train.resolve();
  options.check();
  if (args.dry_run) {
    std::cout << options.to_json().dump(2) << "\n";
    return 0;
  }
  const auto results = train::run_training(options);
  print_results(results, options, args.json);
  if (results.back().end == RunResult::End::kInterrupted) {
    log::warning("interrupted; a checkpoint is saved, --resume goes on from it");
    return exit_code(Errc::kInterrupted);
  }
  return 0;
}

}  // namespace

std::vector<Command> add_train(CLI::App& root, const std::vector<std::string>& arguments) {
  auto args = std::make_shared<Args>();
  auto* app = root.add_subcommand("train", "Train a network");
  app->footer(
      "Examples:\n"
      "  graft train --data synthetic --model small_cnn --out runs/first\n"
      "  graft train --data cifar10:DIR --model resnet20 --sampler sb --beta 2 --out runs/sb\n"
      "Every option may also stand in the --config file or in the environment as GRAFT_<OPTION>;\n"
      "flags win over the environment, the environment over the file.");
  app->add_flag("--dry-run", args->dry_run, "print the resolved options and stop");
  app->add_flag("--json", args->json, "results as JSON on stdout");
  add_train_flags(*app, args->train, arguments);
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli
