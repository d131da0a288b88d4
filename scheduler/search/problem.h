// SPDX-License-Identifier: Apache-2.0
// What every search method works on: the options of each application with their losses and costs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "scheduler/model/application.h"
#include "scheduler/model/cost_model.h"
#include "scheduler/model/event_model.h"

namespace graft {

enum class Objective : std::uint8_t {
  kMean,      ///< mean event F1
  kMaxMin,    ///< smallest event F1; among equals, the largest mean
  kWeighted,  ///< mean event F1 weighted by the applications' weights
};

/// "mean", "maxmin" or "weighted".
[[nodiscard]] std::string_view name(Objective objective);

struct ScheduleSettings {
  double budget = 0;                  ///< cost per second
  std::optional<double> max_latency;  ///< see CostModel::latency()
  std::optional<double> max_memory;   ///< bytes, see CostModel::memory()
  Objective objective = Objective::kMean;
  EventModel model = EventModel::kText;
  std::vector<int> votes;     ///< numbers of votes to choose from; empty: the model without votes
  std::vector<double> rates;  ///< analysed frames per second to choose from, ascending, not empty
};

/// One way to run one application.
struct Option {
  Placement place;
  std::optional<int> votes;
  EventQuality quality;
  double loss = 0;    ///< weight * (1 - F1); weights have mean 1
  double branch = 0;  ///< cost per second of the layers that are not shared
};

struct AppOptions {
  std::string_view name;  ///< of the workload, which must outlive the problem
  double weight = 1;
  double min_f1 = 0;
  std::vector<Option> options;  ///< by rate, then frozen layers; each with its best number of votes
};

/// Minimise the sum of losses (or the largest) under the bounds. Refers to the costs that it was
/// made with.
struct Problem {
  std::vector<AppOptions> apps;
  ScheduleSettings settings;
  const CostModel* costs = nullptr;

  /// Keeps the options for which `keep(app index, option)`.
  [[nodiscard]] Problem filtered(const std::function<bool(std::size_t, const Option&)>& keep) const;
};

/// The rates that are tried unless told otherwise: 1, 2, ... up to `stream_fps`, or that alone if
/// it is below 1.
[[nodiscard]] std::vector<double> default_rates(double stream_fps);

/// All combinations of a candidate and a rate, each with the votes that give the best F1 (the
/// fewest, of equals). Options below an application's min_f1 are left out. `settings.rates` may not
/// exceed the stream's. Throws Error(kConfig) naming the flag or the application.
[[nodiscard]] Problem make_problem(const Workload& workload, const CostModel& costs,
                                   const ScheduleSettings& settings);

/// An option for each application, in their order.
using Choice = std::vector<Option>;

[[nodiscard]] std::vector<Placement> placements(const Choice& choice);
/// Sum of losses.
[[nodiscard]] double total_loss(const Choice& choice);
[[nodiscard]] double smallest_f1(const Choice& choice);

/// A bound as it is tested: sums of costs carry rounding errors, a budget that is met exactly is
/// met.
[[nodiscard]] double with_slack(double bound);
/// Whether all bounds hold.
[[nodiscard]] bool fits(const Problem& problem, std::span<const Placement> apps);

}  // namespace graft
