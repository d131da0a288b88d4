// SPDX-License-Identifier: Apache-2.0
#include "scheduler/model/cost_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/core/error.h"
#include "scheduler/model/json_field.h"

namespace graft {
namespace {

constexpr std::size_t kMaxLayers = 65536;

std::vector<double> prefix_sums(const std::vector<double>& values, const char* what) {
  std::vector<double> sums{0.0};
  for (const double v : values) {
    GRAFT_CHECK(std::isfinite(v) && v >= 0, what, " of layer ", sums.size() - 1, " is ", v);
    sums.push_back(sums.back() + v);
  }
  return sums;
}

/// A quantity that a layer takes once, however often it runs.
double once(const std::vector<double>& prefix, std::span<const Placement> apps) {
  double sum = 0;
  int deepest = 0;
  for (const Placement& a : apps) {
    sum += prefix.back() - prefix[static_cast<std::size_t>(a.frozen)];
    deepest = std::max(deepest, a.frozen);
  }
  return sum + prefix[static_cast<std::size_t>(deepest)];
}

std::vector<double> numbers(const JsonField& field) {
  std::vector<double> out;
  for (const JsonField& f : field.elements(kMaxLayers)) out.push_back(f.number(0));
  return out;
}

}  // namespace

CostModel::CostModel(std::vector<double> layers, std::string unit, std::vector<double> memory)
    : cost_(prefix_sums(layers, "cost")), unit_(std::move(unit)) {
  if (memory.empty()) return;
  GRAFT_CHECK_EQ(memory.size(), layers.size(), "memory and costs of layers");
  memory_ = prefix_sums(memory, "memory");
}

CostModel CostModel::unshared() const {
  CostModel out = *this;
  for (std::vector<double>* sums : {&out.cost_, &out.memory_}) {
    if (sums->empty()) continue;
    const double all = sums->back();
    std::fill(sums->begin(), sums->end(), 0.0);
    sums->push_back(all);
  }
  return out;
}

double CostModel::cost(std::span<const Placement> apps) const {
  std::vector<Placement> deepest_first(apps.begin(), apps.end());
  std::sort(deepest_first.begin(), deepest_first.end(),
            [](const Placement& a, const Placement& b) { return a.frozen > b.frozen; });
  double sum = 0, fastest = 0;
  for (std::size_t i = 0; i < deepest_first.size(); ++i) {
    const Placement& a = deepest_first[i];
    sum += (total() - prefix(a.frozen)) * a.fps;
    fastest = std::max(fastest, a.fps);
    const int above = i + 1 < deepest_first.size() ? deepest_first[i + 1].frozen : 0;
    sum += (prefix(a.frozen) - prefix(above)) * fastest;
  }
  return sum;
}

double CostModel::latency(std::span<const Placement> apps) const { return once(cost_, apps); }

double CostModel::memory(std::span<const Placement> apps) const {
  GRAFT_CHECK(has_memory(), "the cost file has no \"memory\" of layers");
  return once(memory_, apps);
}

CostModel parse_costs(const Json& json, std::string_view source) {
  const JsonField root(json, std::string(source));
  std::vector<double> layers = numbers(root.at("layers"));
  if (layers.empty()) root.at("layers").reject("is empty; give the cost of each layer");
  std::vector<double> memory;
  if (const auto field = root.find("memory")) {
    memory = numbers(*field);
    if (memory.size() != layers.size()) {
      field->reject(detail::cat("has ", memory.size(), " entries for ", layers.size(), " layers"));
    }
  }
  const auto unit = root.find("unit");
  return CostModel(std::move(layers), unit ? unit->text() : "", std::move(memory));
}

}  // namespace graft
