// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/costs.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engine/io/file.h"
#include "engine/io/json.h"
#include "graph/exec/executor.h"
#include "graph/plan/inference.h"
#include "runtime/model/model.h"
#include "runtime/package/layers.h"

namespace graft::run {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{64} << 20;
constexpr std::size_t kMaxLayers = 65536;
constexpr int kWarmUp = 3;
constexpr double kMsPerSecond = 1000;

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

CostModel read_costs(const std::filesystem::path& path) {
  const JsonLimits limits{.max_elements = kMaxLayers};
  const std::string source = path.string();
  return parse_costs(parse_json(read_file(path, kMaxFileBytes), source, Errc::kModel, limits),
                     source);
}

CostModel measure_costs(Context& ctx, const PackageHeader& header, int runs) {
  const Graph form = inference_form(header.graph).graph;
  ParamStore params(ctx, form.param_specs(), DType::kF32);
  Executor executor(ctx, form, params, {.max_batch = 1});
  const data::Preprocess& p = header.preprocess;
  Tensor image = Tensor::allocate(ctx.memory(), {1, p.height, p.width, ImageU8::kChannels});
  fill_zero(ctx, image);
  executor.bind(executor.graph().find(kImageInput), image);
  std::vector<std::vector<double>> ms(executor.graph().nodes().size());
  executor.set_observer([&ms](ValueId node, bool, double seconds) {
    ms[static_cast<std::size_t>(node)].push_back(kMsPerSecond * seconds);
  });
  for (int i = 0; i < kWarmUp + runs; ++i) {
    if (i == kWarmUp) ms.assign(ms.size(), {});
    executor.forward(Phase::kEval);
  }
  std::map<std::string, double> by_name;
  for (std::size_t i = 0; i < ms.size(); ++i) {
    if (!ms[i].empty())
      by_name[executor.graph().node(static_cast<ValueId>(i)).name] = median(ms[i]);
  }
  std::vector<double> costs;
  for (const ValueId id : layers_of(header.graph)) {
    const auto found = by_name.find(header.graph.node(id).name);
    costs.push_back(found == by_name.end() ? 0 : found->second);
  }
  return CostModel(std::move(costs), "ms");
}

}  // namespace graft::run
