// SPDX-License-Identifier: Apache-2.0
#include "scheduler/search/tree_use.h"

#include <algorithm>

namespace graft {

TreeUse::TreeUse(const Problem& problem) : resources_(resources_of(problem)) {
  for (const AppOptions& app : problem.apps) {
    for (const Option& o : app.options) {
      if (o.place.frozen > 0) levels_.push_back(o.place.frozen);
    }
  }
  std::sort(levels_.begin(), levels_.end());
  levels_.erase(std::unique(levels_.begin(), levels_.end()), levels_.end());
}

void TreeUse::take_out(const Choice& choice, std::span<const std::size_t> moved) {
  n_moved_ = static_cast<double>(moved.size());
  stem_rate_.assign(levels_.size(), 0.0);
  branches_ = {};
  for (std::size_t i = 0; i < choice.size(); ++i) {
    if (std::find(moved.begin(), moved.end(), i) != moved.end()) continue;
    const Placement& p = choice[i].place;
    for (std::size_t d = 0; d < resources_.size(); ++d) branches_[d] += resources_[d].branch(p);
    if (p.frozen == 0) continue;
    const auto at = std::lower_bound(levels_.begin(), levels_.end(), p.frozen) - levels_.begin();
    double& rate = stem_rate_[static_cast<std::size_t>(at)];
    rate = std::max(rate, p.fps);
  }
  for (std::size_t j = levels_.size(); j-- > 1;) {
    stem_rate_[j - 1] = std::max(stem_rate_[j - 1], stem_rate_[j]);
  }
}

Amounts TreeUse::with(const Placement& place) const {
  Amounts use = branches_;
  for (std::size_t d = 0; d < resources_.size(); ++d) {
    use[d] += n_moved_ * resources_[d].branch(place);
    int from = 0;
    for (std::size_t j = 0; j < levels_.size(); ++j) {
      const double rate = std::max(stem_rate_[j], levels_[j] <= place.frozen ? place.fps : 0.0);
      use[d] += resources_[d].segment(from, levels_[j], rate);
      from = levels_[j];
    }
  }
  return use;
}

bool TreeUse::fits(const Amounts& use) const {
  for (std::size_t d = 0; d < resources_.size(); ++d) {
    if (use[d] > resources_[d].bound) return false;
  }
  return true;
}

}  // namespace graft
