// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/batch_percentile.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"
#include "sampler/score/ranking.h"
#include "sampler/select/options.h"

namespace graft {

void BatchPercentileOptions::check() const {
  if (!(keep > 0 && keep <= 1)) {
    fail(Errc::kUsage, "sampler batchsb: keep must be in (0, 1], got ", keep);
  }
  if (!(start >= 0 && start < end && end <= 1)) {
    fail(Errc::kUsage, "sampler batchsb: needs 0 <= start < end <= 1, got start ", start, ", end ",
         end);
  }
  if (interrupt < 0 || interrupt == 1) {
    fail(Errc::kUsage, "sampler batchsb: interrupt must be 0 (off) or 2 and more, got ", interrupt);
  }
}

BatchPercentile::BatchPercentile(const BatchPercentileOptions& options) : options_(options) {
  options.check();
}

Json BatchPercentile::describe() const { return describe_options(name(), options_); }

EpochPlan BatchPercentile::before_epoch(const EpochInfo& info) {
  epoch_ = info.epoch;
  epochs_ = info.epochs;
  examples_ = info.examples;
  seen_ = batch_ = 0;
  return {};
}

bool BatchPercentile::active() const {
  const double of_epoch =
      static_cast<double>(seen_) / std::max(1.0, static_cast<double>(examples_));
  const double elapsed = (static_cast<double>(epoch_) + of_epoch) / static_cast<double>(epochs_);
  return elapsed >= options_.start && elapsed < options_.end &&
         (options_.interrupt == 0 || (batch_ + 1) % options_.interrupt != 0);
}

void BatchPercentile::needs_selection_forward(const Candidates& candidates,
                                              std::span<std::uint8_t> out) const {
  GRAFT_CHECK_EQ(candidates.ids.size(), out.size());
  std::fill(out.begin(), out.end(), active() ? std::uint8_t{1} : std::uint8_t{0});
}

Selection BatchPercentile::draw(const Candidates& candidates) const {
  const std::size_t n = candidates.ids.size();
  GRAFT_CHECK_EQ(candidates.losses.size(), n);
  require_finite_losses(candidates);
  const std::vector<double> losses(candidates.losses.begin(), candidates.losses.end());
  const std::vector<std::int32_t> order = descending_order(losses);
  // Sampling without replacement by weights w is keeping the largest u^(1/w) (Efraimidis and
  // Spirakis, 2006); the logarithm keeps the smallest w apart.
  std::vector<double> keys(n);
  for (std::size_t place = 0; place < n; ++place) {
    const auto row = static_cast<std::size_t>(order[place]);
    const double percentile = (static_cast<double>(n - place) - 0.5) / static_cast<double>(n);
    const double weight = std::pow(percentile, 1 / options_.keep - 1);
    keys[row] = std::log(static_cast<double>(candidates.u_select[row])) / weight;
  }
  Selection out;
  out.rows = top_rows(keys, static_cast<std::int64_t>(options_.keep * static_cast<double>(n)));
  out.weights.assign(out.rows.size(), 1.0F);
  return out;
}

Selection BatchPercentile::select(const Candidates& candidates) {
  Selection out = active() ? draw(candidates) : Sampler::select(candidates);
  seen_ += std::ssize(candidates.ids);
  ++batch_;
  return out;
}

SamplerState BatchPercentile::state() const {
  SamplerState out = Sampler::state();
  out.meta["epoch"] = epoch_;
  out.meta["epochs"] = epochs_;
  out.meta["examples"] = examples_;
  out.meta["seen"] = seen_;
  out.meta["batch"] = batch_;
  return out;
}

void BatchPercentile::restore(const SamplerState& state) {
  Sampler::restore(state);
  epoch_ = state.integer("epoch");
  epochs_ = state.integer("epochs");
  examples_ = state.integer("examples");
  seen_ = state.integer("seen");
  batch_ = state.integer("batch");
}

}  // namespace graft
