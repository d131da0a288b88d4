// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <optional>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "graph/ir/branch_points.h"
#include "runtime/cli/args.h"
#include "runtime/cli/commands.h"
#include "runtime/finetune/finetuner.h"

namespace graft::cli {
namespace {

struct Args {
  finetune::FinetuneOptions options;
  std::optional<int> candidate;
};

void print(const finetune::Family& family, const std::string& out) {
  std::cout << fmt::format("{:>6}  {:>8}  {:>15}  {:>7}  {:>7}  {:>6}  {:>8}\n", "frozen",
                           "accuracy", "95 % interval", "TPR", "FPR", "epochs", "seconds");
  for (const finetune::Candidate& c : family.candidates) {
    std::cout << fmt::format(
        "{:>6}  {:>7.2f}%  {:>6.2f} - {:>5.2f}%  {:>6.2f}%  {:>6.2f}%  {:>6}  "
        "{:>8.1f}{}\n",
        c.frozen, 100 * c.accuracy, 100 * c.accuracy_low, 100 * c.accuracy_high, 100 * c.tpr,
        100 * c.fpr, c.epochs, c.seconds, c.pareto ? "  *" : "");
  }
  std::cout << fmt::format(
      "of {} layers; * Pareto front; stem {:.1f} s, all {:.1f} s\n{}/family.json\n",
      count_layers(family.graph), family.prefix_seconds, family.total_seconds, out);
}

int run(Args& args) {
  if (args.candidate) {
    const bool done = finetune::train_in_child(args.options, *args.candidate);
    return done ? 0 : exit_code(Errc::kInterrupted);
  }
  finetune::Finetuner finetuner(args.options, adapt::this_program());
  const auto family = finetuner.run();
  if (!family) {
    log::warning("interrupted with {} of {} candidates done; --resume goes on",
                 finetuner.finished(), finetuner.wanted());
    return exit_code(Errc::kInterrupted);
  }
  print(*family, args.options.out);
  return 0;
}

}  // namespace

std::vector<Command> add_finetune(CLI::App& root) {
  auto args = std::make_shared<Args>();
  auto* app = root.add_subcommand(
      "finetune", "Fine-tune a base once for each depth up to which it stays shared (Mainstream)");
  app->footer(
      "Examples:\n"
      "  graft finetune --base mobilenet.graft --data folder:flowers --task flowers\n"
      "    --out families/flowers\n"
      "  graft finetune ... --branchpoints 0,57,75,81 --jobs 2 --resume");
  add_flags(*app, args->options);
  app->add_option("--candidate", args->candidate, "the process of one candidate")->group("");
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli
