// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include <fmt/format.h>

#include "engine/io/file.h"
#include "models/onnx/export.h"
#include "runtime/cli/commands.h"
#include "runtime/model/model.h"

namespace graft::cli {
namespace {

struct ExportArgs {
  std::string model, onnx;
  int opset = 17;
};

int run(const ExportArgs& args) {
  Context ctx(Backend::kCpu);
  const Model model = Model::load(ctx, args.model);
  if (model.header().bf16) {
    fail(
        Errc::kUnsupported, args.model,
        " is a bf16 model, which is not written as ONNX; export the f32 model that it was made of");
  }
  const std::string bytes =
      onnx::export_model(ctx, stored_graph(model.header()), model.params(), {.opset = args.opset});
  atomic_write(args.onnx, bytes);
  std::cout << fmt::format("{}: opset {}, {} bytes\n", args.onnx, args.opset, bytes.size());
  return 0;
}

}  // namespace

std::vector<Command> add_export(CLI::App& root) {
  auto args = std::make_shared<ExportArgs>();
  auto* app = root.add_subcommand("export", "Write a model as ONNX");
  app->footer(
      "Examples:\n  graft export m.graft --onnx m.onnx\n"
      "  graft export m.graft --onnx m.onnx --opset 13\n"
      "An int8 model is written with QuantizeLinear and DequantizeLinear (QDQ), its f32 layers in "
      "f32.");
  app->add_option("model", args->model, "model file of graft import")->required();
  app->add_option("--onnx", args->onnx, "file to write")->required();
  app->add_option("--opset", args->opset, "13 to 21")->capture_default_str();
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli
