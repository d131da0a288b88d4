// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <string_view>

#include <fmt/format.h>

#include "graph/ir/prune.h"
#include "graph/plan/describe.h"
#include "graph/plan/fuse.h"
#include "models/spec/model_spec.h"
#include "runtime/cli/commands.h"
#include "runtime/model/model.h"

namespace graft::cli {
namespace {

constexpr std::string_view kModelSuffix = ".graft";

struct GraphArgs {
  std::string model = "resnet20", norm = "batch", format = "text", freeze, stage;
  std::int64_t classes = 10, size = 32, batch = 128;
  bool fused = true;
};

/// A network by name, or of a model file: as training builds it, or before or after the compiler
/// passes of inference.
Graph graph_of(const GraphArgs& a) {
  if (a.model.ends_with(kModelSuffix)) {
    if (!a.freeze.empty()) fail(Errc::kUsage, "--freeze is for networks by name, not files");
    Context ctx(Backend::kCpu);
    Model model = Model::load(ctx, a.model);
    return a.stage == "before" ? model.header().graph : model.inference_graph();
  }
  Graph graph = build_model(
      parse_model_spec(a.model),
      {.classes = a.classes, .height = a.size, .width = a.size, .norm = parse_norm(a.norm)});
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
  if (a.stage.empty()) return a.fused ? fuse(graph) : graph;
  graph = prune(graph, graph.output(kLogits), kLogits);
  return a.stage == "before" ? graph : inference_form(graph).graph;
}

int inspect_graph(const GraphArgs& a) {
  const GraphFormat format = a.format == "dot"   ? GraphFormat::kDot
                             : a.format == "svg" ? GraphFormat::kSvg
                                                 : GraphFormat::kText;
  const bool is_file = a.model.ends_with(kModelSuffix);
  std::string title = is_file ? a.model : a.model + ", " + a.norm + " norm";
  if (!a.stage.empty()) title += ", " + a.stage + " the passes of inference";
  std::cout << describe(graph_of(a), title, a.batch, format);
  return 0;
}

}  // namespace

std::vector<Command> add_inspect(CLI::App& root) {
  auto* app = root.add_subcommand("inspect", "Look into models and graphs");
  app->require_subcommand(1);

  auto* graph = app->add_subcommand(
      "graph", "Nodes, shapes, saved tensors, FLOPs, parameters, planned memory");
  auto args = std::make_shared<GraphArgs>();
  graph->add_option("--model", args->model, "network, e.g. resnet20, or FILE.graft")
      ->capture_default_str();
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
  graph
      ->add_option("--stage", args->stage,
                   "the logits' graph before or after the passes of inference (batch norm folded, "
                   "sums and activations fused, dead nodes gone); default: as training runs it")
      ->check(CLI::IsMember({"before", "after"}));
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
