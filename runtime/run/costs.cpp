// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/costs.h"

#include "engine/io/file.h"
#include "engine/io/json.h"
#include "runtime/package/layer_costs.h"

namespace graft::run {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{64} << 20;
constexpr std::size_t kMaxLayers = 65536;
constexpr int kRuns = 20;

}  // namespace

CostModel read_costs(const std::filesystem::path& path) {
  const JsonLimits limits{.max_elements = kMaxLayers};
  const std::string source = path.string();
  return parse_costs(parse_json(read_file(path, kMaxFileBytes), source, Errc::kModel, limits),
                     source);
}

void write_costs(const std::filesystem::path& path, const CostModel& costs) {
  Json layers = Json::array();
  for (int i = 0; i < costs.n_layers(); ++i) {
    layers.push_back(costs.prefix(i + 1) - costs.prefix(i));
  }
  const Json json = {{"unit", costs.unit()}, {"layers", layers}};
  atomic_write(path, json.dump() + "\n");
}

CostModel measure_costs(Context& ctx, const Package& package, BaseModels& bases,
                        const std::function<void()>& between) {
  const int frozen = package.header().candidates.front().frozen;
  const auto params = candidate_params(ctx, package, frozen, bases.get(ctx, package));
  return CostModel(layer_costs(ctx, package.header().graph, *params, kRuns, between), "ms");
}

}  // namespace graft::run
