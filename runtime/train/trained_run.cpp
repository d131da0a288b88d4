// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/trained_run.h"

#include "graph/plan/fuse.h"
#include "models/spec/model_spec.h"
#include "runtime/data/open.h"
#include "runtime/train/run_dir.h"

namespace graft::train {

Graph training_graph(const TrainOptions& options, const data::Dataset& dataset) {
  const auto size = dataset.image_size();
  return fuse(
      build_model(parse_model_spec(options.model), {.classes = dataset.classes(),
                                                    .height = size.height,
                                                    .width = size.width,
                                                    .norm = parse_norm(options.norm),
                                                    .label_smoothing = options.label_smoothing}));
}

TrainedRun::TrainedRun(Context& ctx, const std::filesystem::path& run_dir, const std::string& data,
                       std::int64_t max_batch)
    : description(RunDir::read_description(run_dir)),
      options(TrainOptions::from_json(description.at("options"))) {
  if (!data.empty()) options.data = data;
  const auto dataset = data::open_dataset(data::parse_data_spec(options.data), data::Split::kTrain);
  const auto classes = description.at("data").at("classes").size();
  if (static_cast<std::size_t>(dataset->classes()) != classes) {
    fail(Errc::kData, options.data, " has ", dataset->classes(),
         " classes, the run was trained on ", classes);
  }
  Graph graph = training_graph(options, *dataset);
  graph.mark_output("features", graph.node(graph.output("logits")).inputs.at(0));
  network = std::make_unique<Network>(
      ctx, graph, Network::Options{.max_batch = max_batch, .optimizer = {}, .seed = options.seed});
  CheckpointManager(run_dir / "ckpt").load_weights(*network);
}

}  // namespace graft::train
