// SPDX-License-Identifier: Apache-2.0
#include "sampler/search/gp_search.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "engine/core/rng.h"

namespace graft {

GpSearch::GpSearch(const SearchOptions& options) : Search(options), grid_(space().grid()) {}

GpSearch::Evidence GpSearch::evidence() const {
  Evidence out;
  std::vector<Point> running;
  for (const auto& [id, budgets] : entries()) {
    for (const auto& [budget, entry] : budgets) {
      const Point point = space().coordinates(entry.priority);
      if (entry.objective) {
        out.points.push_back(point);
        out.objectives.push_back(*entry.objective);
      } else {
        running.push_back(point);
      }
    }
  }
  out.observed = out.points.size();
  if (out.observed == 0) return out;
  const double lie = std::accumulate(out.objectives.begin(), out.objectives.end(), 0.0) /
                     static_cast<double>(out.observed);
  out.points.insert(out.points.end(), running.begin(), running.end());
  out.objectives.resize(out.points.size(), lie);
  return out;
}

std::vector<Point> GpSearch::candidates(std::int64_t id, const Point& centre) const {
  if (!grid_.empty()) return grid_;
  constexpr int kUniform = 512, kLocal = 128;
  constexpr std::uint32_t kStream = 1;  // beside that of blind()
  Philox rng({.seed = options().seed,
              .purpose = RngPurpose::kSearch,
              .epoch = kStream,
              .id = static_cast<std::uint64_t>(id)});
  std::vector<Point> out;
  const auto add = [&](auto&& coordinate) {
    Point point(space().dims());
    for (std::size_t d = 0; d < point.size(); ++d) point[d] = coordinate(d);
    out.push_back(space().coordinates(space().at(point)));
  };
  for (int i = 0; i < kUniform; ++i) add([&](std::size_t) { return rng.uniform_double(); });
  for (const double scale : {0.3, 0.1, 0.03, 0.01}) {
    for (int i = 0; i < kLocal; ++i) {
      add([&](std::size_t d) { return centre[d] + scale * rng.normal(); });
    }
  }
  return out;
}

std::optional<Trial> GpSearch::next() const {
  const std::int64_t id = next_id();
  if (id == options().trials) return std::nullopt;
  const Evidence known = evidence();
  const auto blind_trials =
      std::ssize(options().first) + static_cast<std::int64_t>(space().dims()) + 1;
  if (id < blind_trials || known.observed < 2) return Trial{id, blind(id), options().budget};

  const std::span points(known.points);
  const std::span objectives(known.objectives);
  const auto hyper =
      GaussianProcess::fit(points.first(known.observed), objectives.first(known.observed));
  const GaussianProcess process(points, objectives, hyper);
  const auto at_observed = process.predict(points.first(known.observed));
  // The noisy objectives themselves would reward luck: the best is that of the smoothed ones.
  const auto best = std::max_element(at_observed.begin(), at_observed.end(),
                                     [](const auto& a, const auto& b) { return a.mean < b.mean; });
  const auto proposals =
      candidates(id, known.points[static_cast<std::size_t>(best - at_observed.begin())]);
  const auto predictions = process.predict(proposals);
  std::size_t chosen = 0;
  double largest = -1;
  for (std::size_t i = 0; i < proposals.size(); ++i) {
    const double improvement = expected_improvement(predictions[i], best->mean);
    if (improvement <= largest) continue;
    if (std::find(points.begin(), points.end(), proposals[i]) != points.end()) continue;
    largest = improvement;
    chosen = i;
  }
  return Trial{id, space().at(proposals[chosen]), options().budget};
}

}  // namespace graft
