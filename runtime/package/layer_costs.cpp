// SPDX-License-Identifier: Apache-2.0
#include "runtime/package/layer_costs.h"

#include <chrono>
#include <string>
#include <unordered_map>

#include "graph/exec/executor.h"
#include "graph/exec/param_derivation.h"
#include "graph/plan/inference.h"
#include "runtime/package/layers.h"
#include "runtime/report/statistics.h"

namespace graft {
namespace {

constexpr int kWarmUp = 3;
constexpr double kMsPerSecond = 1000;

double forward_ms(Context& ctx, Executor& executor) {
  const auto start = std::chrono::steady_clock::now();
  executor.forward(Phase::kEval);
  ctx.synchronize();
  return kMsPerSecond *
         std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::vector<double> layer_costs(Context& ctx, const Graph& graph, const ParamStore& params,
                                int runs, const std::function<void()>& between) {
  const DerivedGraph form = inference_form(graph);
  ParamStore derived(ctx, form.graph.param_specs(), DType::kF32);
  ParamDerivation(form, params, derived).run(ctx);
  Executor executor(ctx, form.graph, derived, {});
  std::vector<std::vector<double>> node_ms(form.graph.nodes().size());
  for (ValueId id = 0; id < static_cast<ValueId>(node_ms.size()); ++id) {
    if (form.graph.node(id).kind != NodeKind::kInput) continue;
    Tensor x = Tensor::allocate(ctx.memory(), form.graph.shape(id, 1));
    fill_zero(ctx, x);
    executor.bind(id, x);
  }
  std::vector<double> whole_ms;
  for (int i = 0; i < kWarmUp; ++i) forward_ms(ctx, executor);
  for (int i = 0; i < runs; ++i) {
    between();
    executor.set_observer([&](ValueId node, bool, double seconds) {
      node_ms[static_cast<std::size_t>(node)].push_back(kMsPerSecond * seconds);
    });
    forward_ms(ctx, executor);
    executor.set_observer({});
    whole_ms.push_back(forward_ms(ctx, executor));
  }
  std::unordered_map<std::string, std::size_t> layer_of;
  for (const ValueId id : layers_of(graph)) layer_of.emplace(graph.node(id).name, layer_of.size());
  std::vector<double> costs(layer_of.size(), 0.0);
  double sum = 0;
  for (std::size_t i = 0; i < node_ms.size(); ++i) {
    if (node_ms[i].empty()) continue;
    const double ms = report::median(node_ms[i]);
    costs[layer_of.at(form.graph.nodes()[i].name)] = ms;
    sum += ms;
  }
  const double whole = report::median(whole_ms);
  for (double& cost : costs) cost *= whole / sum;
  return costs;
}

}  // namespace graft
