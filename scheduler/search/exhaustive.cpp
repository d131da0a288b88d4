// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "engine/core/error.h"
#include "scheduler/search/enumerate.h"

namespace graft {
namespace {

constexpr double kMaxCombinations = 1e8;
constexpr double kTie = 1e-12;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What is compared, in order of importance; smaller is better.
struct Rank {
  double first = kInfinity, second = kInfinity, cost = kInfinity;

  [[nodiscard]] bool better_than(const Rank& other) const {
    if (first < other.first - kTie) return true;
    if (first > other.first + kTie) return false;
    if (second < other.second - kTie) return true;
    if (second > other.second + kTie) return false;
    return cost < other.cost - kTie;
  }
};

}  // namespace

std::optional<Choice> solve_exhaustive(const Problem& problem) {
  double combinations = 1;
  for (const AppOptions& app : problem.apps) {
    combinations *= static_cast<double>(app.options.size());
  }
  if (combinations > kMaxCombinations) {
    fail(Errc::kConfig, "exhaustive: ", combinations, " combinations, at most ", kMaxCombinations,
         " are tried; the method `exact` finds the same optimum");
  }
  const bool fair = problem.settings.objective == Objective::kMaxMin;
  std::vector<std::size_t> odometer(problem.apps.size(), 0);
  std::vector<Placement> places(problem.apps.size());
  std::optional<std::vector<std::size_t>> best;
  Rank best_rank;
  for (double done = 0; done < combinations; ++done) {
    double loss = 0, least_f1 = 1;
    for (std::size_t i = 0; i < odometer.size(); ++i) {
      const Option& o = problem.apps[i].options[odometer[i]];
      places[i] = o.place;
      loss += o.loss;
      least_f1 = std::min(least_f1, o.quality.f1);
    }
    Rank rank{.first = fair ? -least_f1 : 0, .second = loss, .cost = 0};
    if (rank.better_than({best_rank.first, best_rank.second, kInfinity}) && fits(problem, places)) {
      rank.cost = problem.costs->cost(places);
      if (rank.better_than(best_rank)) {
        best_rank = rank;
        best = odometer;
      }
    }
    for (std::size_t i = 0; i < odometer.size() && ++odometer[i] == problem.apps[i].options.size();
         ++i) {
      odometer[i] = 0;
    }
  }
  if (!best) return std::nullopt;
  Choice out;
  for (std::size_t i = 0; i < best->size(); ++i) out.push_back(problem.apps[i].options[(*best)[i]]);
  return out;
}

}  // namespace graft
