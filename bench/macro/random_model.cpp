// SPDX-License-Identifier: Apache-2.0
// Writes a network of the zoo with random weights as a model file: what a latency is measured on
// needs no trained weights.
#include <cmath>
#include <exception>
#include <iostream>

#include <CLI/CLI.hpp>

#include "engine/core/rng.h"
#include "graph/ir/prune.h"
#include "models/spec/model_spec.h"
#include "runtime/model/model.h"

namespace {

constexpr std::int64_t kClasses = 1000;

/// Weights that keep activations at the scale of the input, whatever the depth: batch norm is still
/// the identity here, and numbers that vanish are not what a processor meets in a trained network.
void initialise(graft::Context& ctx, graft::ParamStore& params) {
  constexpr int kFilterRank = 4;
  params.initialise(ctx, 1);
  graft::Philox rng({.seed = 1});
  for (const auto& entry : params.entries()) {
    graft::Tensor w = entry.value;
    if (w.shape().rank() != kFilterRank) continue;
    const double deviation = std::sqrt(2.0 / static_cast<double>(w.shape().row_numel()));
    for (std::int64_t i = 0; i < w.numel(); ++i) {
      w.ptr<float>()[i] = static_cast<float>(deviation * rng.normal());
    }
  }
  params.bump_version();
}

void write(const std::string& architecture, int side, const std::string& out) {
  graft::Context ctx(graft::Backend::kCpu, 1);
  const graft::ModelSpec spec = graft::parse_model_spec(architecture);
  const graft::Graph whole =
      graft::build_model(spec, {.classes = kClasses, .height = side, .width = side});
  graft::ModelHeader header{
      .architecture = graft::print(spec),
      .graph = graft::prune(whole, whole.output(graft::kLogits), graft::kLogits),
      .preprocess = graft::data::parse_preprocess("torchvision", side, side),
      .labels = {},
      .origin = "random weights"};
  for (std::int64_t i = 0; i < kClasses; ++i) header.labels.push_back(std::to_string(i));
  graft::Model model(ctx, std::move(header));
  initialise(ctx, model.params());
  model.save(out);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Model file with random weights");
  std::string architecture, out;
  int side = 224;
  app.add_option("architecture", architecture, "as graft train --model")->required();
  app.add_option("out", out, "file to write")->required();
  app.add_option("--side", side, "of the images, pixels");
  CLI11_PARSE(app, argc, argv);
  try {
    write(architecture, side, out);
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
  return 0;
}
