// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <vector>

#include "scheduler/search/greedy.h"
#include "scheduler/search/tree_use.h"

namespace graft {
namespace {

/// Options of one application by falling score; those of equal score in the order of the scan,
/// which is by rate, then frozen layers.
struct Ranked {
  std::vector<std::pair<double, Option>> by_score;
  std::vector<std::size_t> twins;  ///< this application and its equals
  bool first_twin = true;
};

bool same(const AppOptions& a, const AppOptions& b) {
  return a.options.size() == b.options.size() &&
         std::equal(a.options.begin(), a.options.end(), b.options.begin(),
                    [](const Option& x, const Option& y) {
                      return x.place.frozen == y.place.frozen && x.place.fps == y.place.fps &&
                             x.quality.recall == y.quality.recall &&
                             x.quality.precision == y.quality.precision;
                    });
}

std::vector<Ranked> rank(const Problem& problem) {
  std::vector<Ranked> out(problem.apps.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (const Option& o : problem.apps[i].options) {
      const double loss = 1 - o.quality.f1;
      out[i].by_score.emplace_back(
          o.branch > 0 ? loss / o.branch : std::numeric_limits<double>::infinity(), o);
    }
    std::stable_sort(out[i].by_score.begin(), out[i].by_score.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    for (std::size_t j = 0; j < out.size(); ++j) {
      if (!same(problem.apps[i], problem.apps[j])) continue;
      out[i].first_twin = out[i].first_twin && j >= i;
      out[i].twins.push_back(j);
    }
  }
  return out;
}

}  // namespace

Choice solve_greedy_code(const Problem& problem) {
  Choice now = most_sharing(problem);
  const std::vector<Ranked> ranked = rank(problem);
  TreeUse tree(problem);
  for (;;) {
    const std::pair<double, Option>* best = nullptr;
    std::size_t best_app = 0;
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (!ranked[i].first_twin) continue;
      tree.take_out(now, ranked[i].twins);
      for (const auto& candidate : ranked[i].by_score) {
        if (best != nullptr && candidate.first <= best->first) break;
        if (candidate.second.quality.f1 <= now[i].quality.f1) continue;
        if (!tree.fits(tree.with(candidate.second.place))) continue;
        best = &candidate;
        best_app = i;
        break;
      }
    }
    if (best == nullptr) return now;
    for (const std::size_t twin : ranked[best_app].twins) now[twin] = best->second;
  }
}

}  // namespace graft
