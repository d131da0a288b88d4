// SPDX-License-Identifier: Apache-2.0
#include "scheduler/search/greedy.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "scheduler/search/exact.h"
#include "scheduler/search/tree_use.h"

namespace graft {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLeastGain = 1e-12;

struct Move {
  std::size_t app = 0;
  Option to;
  double score = -kInfinity, gain = 0;
};

/// Adds the best affordable move of application i to `best`, if it is better.
void consider(const AppOptions& app, std::size_t i, const Choice& now, double cost, TreeUse& tree,
              Move& best) {
  const std::size_t moved[] = {i};
  tree.take_out(now, moved);
  for (const Option& o : app.options) {
    const double gain = now[i].loss - o.loss;
    if (gain <= kLeastGain) continue;
    const Amounts use = tree.with(o.place);
    if (!tree.fits(use)) continue;
    const double more = use[0] - cost;
    const double score = more > kLeastGain ? gain / more : kInfinity;
    if (score > best.score || (score == best.score && gain > best.gain)) {
      best = {.app = i, .to = o, .score = score, .gain = gain};
    }
  }
}

std::size_t worst_off(const Choice& choice) {
  const auto at = std::min_element(choice.begin(), choice.end(), [](const auto& a, const auto& b) {
    return a.quality.f1 < b.quality.f1;
  });
  return static_cast<std::size_t>(at - choice.begin());
}

}  // namespace

Choice most_sharing(const Problem& problem) {
  Choice out;
  for (const AppOptions& app : problem.apps) {
    out.push_back(*std::min_element(
        app.options.begin(), app.options.end(), [](const Option& a, const Option& b) {
          return a.place.frozen != b.place.frozen ? a.place.frozen > b.place.frozen
                                                  : a.place.fps < b.place.fps;
        }));
  }
  return out;
}

std::optional<Choice> solve_greedy(const Problem& problem) {
  Choice now = most_sharing(problem);
  if (!fits(problem, placements(now))) now = cheapest(problem);
  if (!fits(problem, placements(now))) return std::nullopt;
  TreeUse tree(problem);
  const bool fair = problem.settings.objective == Objective::kMaxMin;
  while (!now.empty()) {
    const double cost = problem.costs->cost(placements(now));
    const std::size_t first = fair ? worst_off(now) : 0, last = fair ? first + 1 : now.size();
    Move best;
    for (std::size_t i = first; i < last; ++i) {
      consider(problem.apps[i], i, now, cost, tree, best);
    }
    if (best.gain == 0) break;
    now[best.app] = best.to;
  }
  return now;
}

std::optional<Choice> solve_independent(const Problem& problem) {
  Choice now = cheapest(problem);
  if (!fits(problem, placements(now))) return std::nullopt;
  const double least = problem.costs->cost(placements(now));
  const double spare = problem.settings.budget - least;
  TreeUse tree(problem);
  for (std::size_t i = 0; i < now.size(); ++i) {
    const double share = static_cast<double>(i + 1) / static_cast<double>(now.size());
    const double allowed = with_slack(least + spare * share);
    const std::size_t moved[] = {i};
    tree.take_out(now, moved);
    for (const Option& o : problem.apps[i].options) {
      if (o.loss >= now[i].loss - kLeastGain) continue;
      const Amounts use = tree.with(o.place);
      if (use[0] <= allowed && tree.fits(use)) now[i] = o;
    }
  }
  return now;
}

}  // namespace graft
