// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <set>

#include "scheduler/search/enumerate.h"
#include "scheduler/search/envelope_search.h"
#include "scheduler/search/knapsack.h"

namespace graft {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class StemEnumeration {
 public:
  explicit StemEnumeration(const Problem& problem)
      : problem_(problem), search_(problem, resources_of(problem)) {
    std::set<int> levels;
    for (const AppOptions& app : problem.apps) {
      for (const Option& o : app.options) levels.insert(search_.level(o.place.frozen));
    }
    levels.erase(-1);
    stem_.assign(levels.size(), 0);
  }

  std::optional<Choice> solve() {
    extend(0, static_cast<int>(problem_.settings.rates.size()));
    if (best_loss_ == kInfinity) return std::nullopt;
    return best_;
  }

 private:
  [[nodiscard]] bool left_over(Amounts& left) const {
    left = search_.stem_use(stem_);
    for (std::size_t d = 0; d < search_.resources().size(); ++d) {
      left[d] = search_.resources()[d].bound - left[d];
      if (left[d] < 0) return false;
    }
    return true;
  }

  /// Tries the stem as it is, then all that go on from branch point `level` at a rate up to `cap`.
  void extend(std::size_t level, int cap) {
    Amounts left;
    if (!left_over(left)) return;
    try_stem(left);
    if (level == stem_.size()) return;
    for (int c = 1; c <= cap; ++c) {
      stem_[level] = c;
      extend(level + 1, c);
    }
    stem_[level] = 0;
  }

  void try_stem(const Amounts& left) {
    std::vector<KnapsackGroup> groups(problem_.apps.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const auto& options = problem_.apps[i].options;
      for (std::size_t o = 0; o < options.size(); ++o) {
        const Placement& p = options[o].place;
        const int level = search_.level(p.frozen);
        if (level >= 0 && search_.cap(p.fps) > stem_[static_cast<std::size_t>(level)]) continue;
        KnapsackItem item{.loss = options[o].loss, .use = {}, .tag = static_cast<int>(o)};
        for (std::size_t d = 0; d < search_.resources().size(); ++d) {
          item.use[d] = search_.resources()[d].branch(p);
        }
        groups[i].push_back(item);
      }
    }
    const auto found =
        solve_knapsack(std::move(groups), search_.resources().size(), left, {}, best_loss_);
    if (!found) return;
    best_loss_ = found->loss;
    best_.clear();
    for (std::size_t i = 0; i < problem_.apps.size(); ++i) {
      best_.push_back(problem_.apps[i].options[static_cast<std::size_t>(found->tags[i])]);
    }
  }

  const Problem& problem_;
  EnvelopeSearch search_;
  Envelope stem_;
  Choice best_;
  double best_loss_ = kInfinity;
};

}  // namespace

std::optional<Choice> solve_stems(const Problem& problem) {
  return StemEnumeration(problem).solve();
}

}  // namespace graft
