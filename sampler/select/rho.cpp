// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/rho.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"
#include "sampler/score/ranking.h"
#include "sampler/select/options.h"

namespace graft {

void RhoOptions::check() const {
  if (!(keep > 0 && keep <= 1)) {
    fail(Errc::kUsage, "sampler rho: keep must be in (0, 1], got ", keep);
  }
  if (il_epochs < 0) {
    fail(Errc::kUsage, "sampler rho: il_epochs must be 0 (as the run) or more, got ", il_epochs);
  }
  queue.check();
}

Rho::Rho(const RhoOptions& options) : options_(options) { options.check(); }

Json Rho::describe() const { return describe_options(name(), options_); }

std::int64_t Rho::slice_size(std::int64_t batch) const {
  return std::llround(static_cast<double>(batch) / options_.keep);
}

std::int64_t Rho::irreducible_epochs(std::int64_t epochs) const {
  if (!irreducible_.empty()) return 0;
  return options_.il_epochs > 0 ? options_.il_epochs : epochs;
}

void Rho::set_irreducible_losses(std::span<const float> by_id) {
  irreducible_.assign(by_id.begin(), by_id.end());
}

EpochPlan Rho::before_epoch(const EpochInfo& info) {
  if (std::ssize(irreducible_) != info.examples) {
    fail(Errc::kConfig, "sampler rho: has irreducible losses of ", irreducible_.size(),
         " examples, the training set has ", info.examples);
  }
  EpochPlan plan;
  plan.all = false;
  for (std::int64_t id = 0; id < info.examples; ++id) {
    if (!std::isnan(irreducible_[static_cast<std::size_t>(id)])) plan.ids.push_back(id);
  }
  return plan;
}

void Rho::needs_selection_forward(const Candidates& candidates, std::span<std::uint8_t> out) const {
  GRAFT_CHECK_EQ(candidates.ids.size(), out.size());
  std::fill(out.begin(), out.end(), std::uint8_t{1});
}

Selection Rho::select(const Candidates& candidates) {
  const std::size_t n = candidates.ids.size();
  GRAFT_CHECK_EQ(candidates.losses.size(), n);
  require_finite_losses(candidates);
  std::vector<double> reducible(n);
  for (std::size_t i = 0; i < n; ++i) {
    reducible[i] =
        static_cast<double>(candidates.losses[i]) -
        static_cast<double>(irreducible_.at(static_cast<std::size_t>(candidates.ids[i])));
    GRAFT_CHECK(!std::isnan(reducible[i]), "example ", candidates.ids[i],
                " has no irreducible loss");
  }
  Selection out;
  out.rows = top_rows(reducible, kept_count(options_.keep, std::ssize(reducible)));
  out.weights.assign(out.rows.size(), 1.0F);
  return out;
}

SamplerState Rho::state() const {
  SamplerState out = Sampler::state();
  out.arrays["irreducible"] = irreducible_;
  return out;
}

void Rho::restore(const SamplerState& state) {
  Sampler::restore(state);
  irreducible_ = state.array("irreducible");
}

}  // namespace graft
