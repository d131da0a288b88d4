// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/rank_selection.h"

#include <algorithm>

#include "engine/core/error.h"
#include "sampler/score/ranking.h"
#include "sampler/select/options.h"

namespace graft {

void RankOptions::check() const {
  if (!(keep > 0 && keep <= 1)) {
    fail(Errc::kUsage, "sampler: keep must be in (0, 1], got ", keep);
  }
  queue.check();
}

RankSelection::RankSelection(End end, const RankOptions& options) : end_(end), options_(options) {
  options.check();
}

Json RankSelection::describe() const { return describe_options(name(), options_); }

void RankSelection::needs_selection_forward(const Candidates& candidates,
                                            std::span<std::uint8_t> out) const {
  GRAFT_CHECK_EQ(candidates.ids.size(), out.size());
  std::fill(out.begin(), out.end(), std::uint8_t{1});
}

Selection RankSelection::select(const Candidates& candidates) {
  GRAFT_CHECK_EQ(candidates.losses.size(), candidates.ids.size());
  require_finite_losses(candidates);
  std::vector<double> values(candidates.losses.begin(), candidates.losses.end());
  if (end_ == End::kLowest) {
    for (double& value : values) value = -value;
  }
  Selection out;
  out.rows = top_rows(values, kept_count(options_.keep, std::ssize(values)));
  out.weights.assign(out.rows.size(), 1.0F);
  return out;
}

}  // namespace graft
