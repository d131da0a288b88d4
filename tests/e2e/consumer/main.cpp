// SPDX-License-Identifier: Apache-2.0
// A program outside the tree: builds a network, runs it once, prints the class it guesses.
#include <algorithm>
#include <iostream>
#include <vector>

#include "graph/exec/executor.h"
#include "graph/plan/fuse.h"
#include "models/spec/model_spec.h"

int main() {
  const auto graph = graft::fuse(graft::build_model(graft::parse_model_spec("resnet8"),
                                                    {.classes = 10, .height = 32, .width = 32}));
  graft::Context ctx(graft::Backend::kCpu, 1);
  graft::ParamStore params(ctx, graph.param_specs(), graft::DType::kF32);
  params.initialise(ctx, /*seed=*/1);
  graft::Executor executor(ctx, graph, params, {.max_batch = 1});

  executor.bind(graph.find("image"), graft::Tensor::zeros(ctx.memory(), {1, 32, 32, 3}));
  executor.bind(graph.find("label"), graft::Tensor::zeros(ctx.memory(), {1}, graft::DType::kI32));
  executor.forward(graft::Phase::kEval);
  std::vector<float> logits(10);
  graft::copy_to_host(ctx, executor.value(graph.output("logits")), logits.data());
  std::cout << "class " << std::max_element(logits.begin(), logits.end()) - logits.begin() << "\n";
  return 0;
}
