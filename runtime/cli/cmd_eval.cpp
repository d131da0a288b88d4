// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include <fmt/format.h>

#include "runtime/cli/commands.h"
#include "runtime/data/open.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/trained_run.h"
#include "runtime/train/trainer.h"

namespace graft::cli {
namespace {

struct EvalArgs {
  std::string run_dir, data, device = "auto";
  std::int64_t batch = 128;
  int threads = 0;
  bool json = false;
};

int run(const EvalArgs& args) {
  const auto ctx = train::make_context(args.device, args.threads);
  const train::TrainedRun run(*ctx, args.run_dir, args.data, args.batch);
  const auto data = data::open_datasets(data::parse_data_spec(run.options.data));
  const auto e =
      train::evaluate(*run.network, data.test, data::evaluation_augment(*data.train), args.batch);
  if (args.json) {
    std::cout
        << Json{{"test_loss", e.loss}, {"test_error", e.error}, {"examples", e.examples}}.dump()
        << "\n";
  } else {
    std::cout << fmt::format("test error {:.2f} %  test loss {:.4f}  {} examples\n", 100 * e.error,
                             e.loss, e.examples);
  }
  return 0;
}

}  // namespace

std::vector<Command> add_eval(CLI::App& root) {
  auto args = std::make_shared<EvalArgs>();
  auto* app = root.add_subcommand("eval", "Test the last checkpoint of a run");
  app->footer("Examples:\n  graft eval runs/first\n  graft eval runs/sb --data cifar10:DIR --json");
  app->add_option("run_dir", args->run_dir, "run directory")->required();
  app->add_option("--data", args->data, "data set; default: the run's own");
  app->add_option("--batch", args->batch)->check(CLI::Range(1, 65536))->capture_default_str();
  app->add_option("--threads", args->threads, "0: all cores")->check(CLI::Range(0, 1024));
  app->add_option("--device", args->device)->check(CLI::IsMember({"cpu", "cuda", "auto"}));
  app->add_flag("--json", args->json, "machine-readable");
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli
