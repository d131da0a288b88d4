// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include <fmt/format.h>

#include "models/onnx/import.h"
#include "runtime/cli/commands.h"
#include "runtime/model/import.h"

namespace graft::cli {
namespace {

struct ImportArgs {
  std::string run_dir, architecture, weights, onnx, labels, out;
  ImportOptions options;
  bool operators = false;
};

Model import_from(Context& ctx, ImportArgs& args) {
  const bool published = !args.architecture.empty() || !args.weights.empty();
  if ((args.run_dir.empty() ? 0 : 1) + (published ? 1 : 0) + (args.onnx.empty() ? 0 : 1) != 1) {
    fail(Errc::kUsage, "import needs one of RUN_DIR, --onnx, or --arch with --weights");
  }
  if (!args.run_dir.empty()) return import_run(ctx, args.run_dir);
  if (!args.labels.empty()) args.options.labels = read_label_file(args.labels);
  if (!args.onnx.empty()) return import_onnx(ctx, args.onnx, args.options);
  if (args.architecture.empty() || args.weights.empty()) {
    fail(Errc::kUsage, "--arch and --weights belong together");
  }
  return import_weights(ctx, args.architecture, args.weights, args.options);
}

int list_operators() {
  std::cout << fmt::format("ONNX operators, opset {} to {}\n", onnx::kOldestOpset,
                           onnx::kNewestOpset);
  for (const auto& o : onnx::supported_operators()) {
    std::cout << fmt::format("{:<20} {}\n", o.op, o.note);
  }
  return 0;
}

int run(ImportArgs& args) {
  if (args.operators) return list_operators();
  if (args.out.empty()) fail(Errc::kUsage, "import: --out FILE is required");
  Context ctx(Backend::kCpu);
  const Model model = import_from(ctx, args);
  const std::string hash = model.save(args.out);
  const ModelHeader& header = model.header();
  const Shape& y = header.graph.node(header.output()).shape;
  std::cout << fmt::format(
      "{}: {} from {}, {} x {} pixels, {} parameters, {}\nsha256 {}\n", args.out,
      header.architecture.empty() ? "graph" : header.architecture, header.origin,
      header.preprocess.width, header.preprocess.height, model.params().trainable_count(),
      header.classifies() ? fmt::format("{} classes", y[1]) : detail::cat("features ", y), hash);
  return 0;
}

}  // namespace

std::vector<Command> add_import(CLI::App& root) {
  auto args = std::make_shared<ImportArgs>();
  auto* app = root.add_subcommand("import",
                                  "Make a model file of published weights, an ONNX file or a run");
  app->footer(
      "Examples:\n"
      "  graft import --arch mobilenet_v1:alpha=0.25 --weights FILE.safetensors --labels "
      "NAMES.json --out m.graft\n"
      "  graft import --onnx resnet50.onnx --out resnet50.graft\n"
      "  graft import runs/first --out first.graft");
  app->add_option("run_dir", args->run_dir, "run directory of graft train");
  app->add_option("--arch", args->architecture, "network that the weights are of, e.g. resnet50");
  app->add_option("--weights", args->weights,
                  "safetensors under torchvision's, timm's or Keras' names");
  app->add_option("--onnx", args->onnx, "ONNX file of a classifier");
  app->add_flag("--operators", args->operators, "list the ONNX operators that are taken");
  app->add_option("--labels", args->labels, "class names: JSON list or one a line");
  app->add_option("--preprocess", args->options.preprocess,
                  "torchvision or keras[:resize=,filter=,mean=,std=,range=,order=]; default: what "
                  "the network was published with");
  app->add_option("--size", args->options.size, "side of the input, pixels")
      ->check(CLI::Range(1, 4096));
  app->add_flag("--trunk", args->options.trunk,
                "weights may end before the classifier: make a feature extractor");
  app->add_option("--out", args->out, "model file to write");
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli
