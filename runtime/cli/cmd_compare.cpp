// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/io/file.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/train_args.h"
#include "runtime/compare/run_comparison.h"

namespace graft::cli {
namespace {

struct Args {
  TrainArgs train;
  std::string arms;
  bool json = false;
};

std::string number(const Json& row, const char* key, const char* format, double scale = 1) {
  const auto found = row.find(key);
  if (found == row.end() || !found->is_number()) return "-";
  return fmt::format(fmt::runtime(format), scale * found->get<double>());
}

void print_table(const Json& table) {
  std::cout << fmt::format("{:<34} {:>15} {:>10} {:>7} {:>7} {:>7} {:>10} {:>7}\n", "arm",
                           "test error %", "s/epoch", "ratio", "cost", "kept %", "s to 1.2x",
                           "flips %");
  for (const Json& row : table.at("arms")) {
    const std::string error = number(row, "test_error_mean", "{:.2f}", 100) + " +- " +
                              number(row, "test_error_half_width_95", "{:.2f}", 100);
    std::cout << fmt::format(
        "{:<34} {:>15} {:>10} {:>7} {:>7} {:>7} {:>10} {:>7}\n", row.at("arm").get<std::string>(),
        error, number(row, "seconds_per_epoch", "{:.2f}"), number(row, "seconds_ratio", "{:.3f}"),
        number(row, "cost_units_ratio", "{:.3f}"), number(row, "kept_fraction", "{:.1f}", 100),
        number(row, "time_to_1.2x", "{:.1f}"), number(row, "flip_rate", "{:.2f}", 100));
  }
}

int run(Args& args) {
  const train::TrainOptions& options = args.train.resolve();
  if (args.arms.empty()) {
    fail(Errc::kUsage, "--arms is missing, e.g. --arms \"traditional;random;sb\"");
  }
  if (options.sampler != train::TrainOptions().sampler) {
    fail(Errc::kUsage, "--sampler ", options.sampler, ": the arms name the samplers; use --arms");
  }
  const auto result = compare::run_comparison({.train = options, .arms = args.arms});
  const std::string path = options.out + "/table.json";
  const std::string text = read_file(path);
  if (args.json) {
    std::cout << text;
  } else {
    print_table(parse_json(text, path));
    std::cout << fmt::format("table: {}\nreport: {}/report.html\n", path, options.out);
  }
  if (result.interrupted) {
    log::warning("interrupted after {} of {} runs; the same command goes on", result.runs_done,
                 result.runs);
    return exit_code(Errc::kInterrupted);
  }
  return 0;
}

}  // namespace

std::vector<Command> add_compare(CLI::App& root, const std::vector<std::string>& arguments) {
  auto args = std::make_shared<Args>();
  args->train.options.probes = "all";
  auto* app = root.add_subcommand("compare", "Train a network in several ways, several times");
  app->footer(
      "Examples:\n"
      "  graft compare --data cifar10:DIR --model resnet8 --epochs 10 --seeds 3\n"
      "    --arms \"traditional;random;sb;sb beta=1;stale staleness=3\" --out runs/compare\n"
      "  graft compare --arms \"traditional;traditional lr=0.05;sb prime_epochs=2\" --out runs/lr\n"
      "An arm is a sampler and key=value pairs: options of train, and the sampler's own. Run\n"
      "again, the command goes on where it stopped; arms and seeds may be added.");
  app->add_option("--arms", args->arms, "\"SAMPLER [KEY=VALUE]...; ...\"");
  app->add_flag("--json", args->json, "the table as JSON on stdout");
  add_train_flags(*app, args->train, arguments);
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli
