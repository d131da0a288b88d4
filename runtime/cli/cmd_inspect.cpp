// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include <fmt/format.h>

#include "graph/plan/describe.h"
#include "graph/plan/fuse.h"
#include "models/spec/model_spec.h"
#include "runtime/cli/commands.h"

namespace graft::cli {
namespace {

struct GraphArgs {
  std::string model = "resnet20", norm = "batch", format = "text", freeze;
  std::int64_t classes = 10, size = 32, batch = 128;
  bool fused = true;
};

int inspect_graph(const GraphArgs& a) {
  Graph graph = build_model(parse_model_spec(a.model),
                            {.classes = a.classes,
                             .height = a.size,
                             .width = a.size,
                             .norm = a.norm == "group" ? Norm::kGroup : Norm::kBatch});
  if (!a.freeze.empty()) {
    const ValueId value = graph.find(a.freeze);
    if (value == kNoValue) {
      fail(Errc::kUsage, "--freeze ", a.freeze, ": ", a.model,
           " has no such node; `graft inspect graph "
           "--model ",
           a.model, "` lists them");
    }
    graph.freeze(value);
  }
  if (a.fused) graph = fuse(graph);
  const GraphFormat format = a.format == "dot"   ? GraphFormat::kDot
                             : a.format == "svg" ? GraphFormat::kSvg
                                                 : GraphFormat::kText;
  std::cout << describe(graph, a.model + ", " + a.norm + " norm", a.batch, format);
  return 0;
}

}  // namespace

std::vector<Command> add_inspect(CLI::App& root) {
  auto* app = root.add_subcommand("inspect", "Look into models and graphs");
  app->require_subcommand(1);

  auto* graph = app->add_subcommand(
      "graph", "Nodes, shapes, saved tensors, FLOPs, parameters, planned memory");
  auto args = std::make_shared<GraphArgs>();
  graph->add_option("--model", args->model, "network, e.g. resnet20")->capture_default_str();
  graph->add_option("--norm", args->norm)
      ->check(CLI::IsMember({"batch", "group"}))
      ->capture_default_str();
  graph->add_option("--format", args->format)
      ->check(CLI::IsMember({"text", "dot", "svg"}))
      ->capture_default_str();
  graph->add_option("--classes", args->classes)->capture_default_str();
  graph->add_option("--size", args->size, "height and width of the images")->capture_default_str();
  graph->add_option("--batch", args->batch, "for the planned memory")->capture_default_str();
  graph->add_option("--freeze", args->freeze, "freeze everything up to this node");
  graph->add_flag("--fused,!--no-fused", args->fused, "as executed (default), or as written");

  auto* list = app->add_subcommand("models", "List the networks");
  return {{graph, [args] { return inspect_graph(*args); }},
          {list, [] {
             for (const ModelInfo& m : models()) {
               std::cout << fmt::format("{:<22} {}\n", m.pattern, m.description);
             }
             return 0;
           }}};
}

}  // namespace graft::cli
