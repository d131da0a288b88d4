// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "runtime/adapt/adapter.h"
#include "runtime/cli/args.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/train_args.h"

namespace graft::cli {
namespace {

struct Args {
  TrainArgs trial;
  adapt::AdaptOptions options;
};

int run(Args& args) {
  adapt::Adapter adapter(args.trial.resolve(), args.options, adapt::this_program());
  const adapt::AdaptResult result = adapter.run();
  if (result.interrupted) {
    log::warning("interrupted with {} trials done; --resume goes on", result.finished);
    return exit_code(Errc::kInterrupted);
  }
  std::cout << fmt::format("best of {} trials: {}\nvalidation accuracy {:.2f} % (trial {})\n",
                           result.finished, result.best.trial.priority.text(),
                           100 * result.best.objective, result.best.trial.id)
            << fmt::format("search: {:.0f} cost units\n{}/best.json\n", result.cost_units,
                           args.trial.options.out);
  return 0;
}

}  // namespace

std::vector<Command> add_adapt(CLI::App& root, const std::vector<std::string>& arguments) {
  auto args = std::make_shared<Args>();
  auto* app = root.add_subcommand("adapt", "Search the priority function of selection (AdaptSB)");
  app->footer(
      "Trials are short trainings with all of train's options, judged by the mean accuracy of\n"
      "their last three evaluations on held-out training examples (--holdout; a tenth if not "
      "given).\n"
      "Examples:\n"
      "  graft adapt --data cifar10:DIR --model resnet8 --epochs 10 --trials 60\n"
      "    --trial-cost 200000 --out runs/adapt\n"
      "  graft adapt ... --search asha --jobs 2 --resume --out runs/adapt\n"
      "The result is OUT/best.json; `graft train --sampler sb --priority ...` uses it.");
  add_flags(*app, args->options);
  add_train_flags(*app, args->trial, arguments);
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli
