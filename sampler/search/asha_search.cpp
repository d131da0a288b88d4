// SPDX-License-Identifier: Apache-2.0
#include "sampler/search/asha_search.h"

#include <algorithm>
#include <cmath>

namespace graft {

double AshaSearch::rung_budget(std::int64_t rung) const {
  return options().budget / std::pow(static_cast<double>(options().eta),
                                     static_cast<double>(options().rungs - 1 - rung));
}

std::optional<Trial> AshaSearch::promotion(std::int64_t rung) const {
  const double budget = rung_budget(rung), next_budget = rung_budget(rung + 1);
  std::vector<Observation> finished;
  for (const Observation& o : observations()) {
    if (o.trial.budget == budget) finished.push_back(o);
  }
  std::stable_sort(
      finished.begin(), finished.end(),
      [](const Observation& a, const Observation& b) { return a.objective > b.objective; });
  finished.erase(finished.begin() + std::ssize(finished) / options().eta, finished.end());
  for (const Observation& o : finished) {
    if (!entries().at(o.trial.id).contains(next_budget)) {
      return Trial{o.trial.id, o.trial.priority, next_budget};
    }
  }
  return std::nullopt;
}

std::optional<Trial> AshaSearch::next() const {
  for (std::int64_t rung = options().rungs - 2; rung >= 0; --rung) {
    if (const auto trial = promotion(rung)) return trial;
  }
  const std::int64_t id = next_id();
  if (id == options().trials) return std::nullopt;
  return Trial{id, blind(id), rung_budget(0)};
}

}  // namespace graft
