// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/scheduler/recorded.h"

#include <algorithm>
#include <filesystem>

#include "engine/core/rng.h"
#include "engine/io/file.h"

namespace graft::testing {
namespace {

std::filesystem::path folder() {
  return std::filesystem::path(GRAFT_SOURCE_DIR) / "../shared/oracles/mainstream";
}

Curves curves_of(const Json& by_app, const char* key) {
  Curves out;
  for (const auto& [app, data] : by_app.items()) {
    for (const Json& row : key == nullptr ? data : data.at(key)) {
      out[app].push_back({row[0].get<int>(), {row[1].get<double>(), row[2].get<double>()}});
    }
  }
  return out;
}

}  // namespace

bool have_recorded() { return std::filesystem::exists(folder()); }

Json recorded_file(const std::string& name) {
  const JsonLimits limits{.max_members = 100000};
  return parse_json(read_file(folder() / name), name, Errc::kData, limits);
}

Curves recorded_curves() {
  return curves_of(recorded_file("apps.json").at("mpackages_mobilenets224"), "pareto_filtered");
}

Curves recorded_curves_of_february() {
  return curves_of(recorded_file("apps.json").at("curves_feb2018").at("rows"), nullptr);
}

CostModel recorded_costs() {
  return CostModel(recorded_file("layers_mobilenets.json")
                       .at("normalised_cost_used_by_scheduler")
                       .get<std::vector<double>>());
}

Workload recorded_workload(const Json& definition, const Curves& curves, const Json& correlation) {
  Workload out;
  out.stream_fps = definition[1].get<double>();
  for (const Json& row : definition[2]) {
    Application app;
    app.name = row[0].get<std::string>();
    app.events = {row[1].get<double>(), row[2].get<double>(),
                  correlation.is_null() ? row[3].get<double>() : correlation.get<double>()};
    app.candidates = curves.at(app.name);
    out.apps.push_back(std::move(app));
  }
  return out;
}

ScheduleSettings recorded_settings(double budget, double stream_fps) {
  ScheduleSettings s;
  s.budget = budget;
  s.model = EventModel::kCode;
  s.rates = default_rates(stream_fps);
  return s;
}

RandomProblem random_problem(std::uint64_t id, int n_apps, int n_candidates, EventModel model) {
  Philox random({.seed = 2018, .purpose = RngPurpose::kTest, .epoch = 0, .id = id});
  const auto below = [&random](int n) {
    return static_cast<int>(random.below(static_cast<std::uint32_t>(n)));
  };
  const int n_layers = 3 + below(6);
  std::vector<double> layers;
  for (int l = 0; l < n_layers; ++l) layers.push_back(below(8) * 0.25);
  RandomProblem out{.workload = {}, .costs = CostModel(layers), .settings = {}};
  out.workload.stream_fps = 2 + below(3);
  for (int a = 0; a < n_apps; ++a) {
    Application app;
    app.name = "app#" + std::to_string(a);
    app.events = {100.0 * (1 + below(20)), below(11) * 0.1, below(10) * 0.1};
    for (int k = 1 + below(n_candidates); k > 0; --k) {
      app.candidates.push_back({below(n_layers + 1), {0.5 + 0.05 * below(11), 0.05 * below(8)}});
    }
    out.workload.apps.push_back(std::move(app));
  }
  out.settings.model = model;
  if (id % 3 == 1) out.settings.votes = {1, 2, 3};
  out.settings.rates = default_rates(out.workload.stream_fps);
  if (id % 4 == 1) out.settings.rates = {0.5, 1.5, out.workload.stream_fps};
  // Multiples of what costs are multiples of: some budgets are met exactly.
  out.settings.budget = below(1 + 8 * n_apps) * 1.5;
  return out;
}

}  // namespace graft::testing
