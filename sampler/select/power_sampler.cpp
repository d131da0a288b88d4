// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/power_sampler.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"
#include "sampler/score/priority.h"

namespace graft {

void PowerOptions::check() const {
  if (!(std::isfinite(beta) && beta >= 0)) {
    fail(Errc::kUsage, "sampler: beta must be 0 or more, got ", beta);
  }
  if (!(p_min >= 0 && p_min <= 1)) {
    fail(Errc::kUsage, "sampler: p_min must be in [0, 1], got ", p_min);
  }
  if (prime_epochs < 0) {
    fail(Errc::kUsage, "sampler: prime_epochs must be 0 or more, got ", prime_epochs);
  }
  if (queue.watchdog_batches < 0) {
    fail(Errc::kUsage, "sampler: watchdog_batches must be 0 (off) or more, got ",
         queue.watchdog_batches);
  }
}

PowerOptions PowerOptions::paper() {
  PowerOptions o;
  o.prime_forward = true;
  o.queue.mode = QueueMode::kOneStepPerSlice;
  o.queue.epoch_end = EpochEnd::kAuthors;
  return o;
}

PowerOptions PowerOptions::standard() {
  PowerOptions o;
  o.p_min = 0.01;
  return o;
}

PowerSampler::PowerSampler(const PowerOptions& options) : power_(options) { options.check(); }

EpochPlan PowerSampler::before_epoch(const EpochInfo& info) {
  epoch_ = info.epoch;
  return {};
}

void PowerSampler::needs_selection_forward(const Candidates& candidates,
                                           std::span<std::uint8_t> out) const {
  GRAFT_CHECK_EQ(candidates.ids.size(), out.size());
  std::fill(out.begin(), out.end(), scores_candidates() ? std::uint8_t{1} : std::uint8_t{0});
}

Selection PowerSampler::select(const Candidates& candidates) {
  const std::size_t n = candidates.ids.size();
  GRAFT_CHECK_EQ(candidates.u_select.size(), n);
  if (scores_candidates()) GRAFT_CHECK_EQ(candidates.losses.size(), n);
  for (std::size_t i = 0; i < candidates.losses.size(); ++i) {
    if (!std::isfinite(candidates.losses[i])) {
      fail(Errc::kNumerical, "loss of example ", candidates.ids[i], " in epoch ", epoch_, " is ",
           candidates.losses[i], ": lower the learning rate or check the input");
    }
  }
  if (scores_candidates()) observe(candidates.losses, priming());
  Selection out;
  out.probability.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double p =
        priming() ? 1.0 : selection_probability(score(candidates, i), power_.beta, power_.p_min);
    out.probability[i] = p;
    if (static_cast<double>(candidates.u_select[i]) < p) {
      out.rows.push_back(static_cast<std::int32_t>(i));
    }
  }
  out.weights.assign(out.rows.size(), 1.0F);
  return out;
}

void PowerSampler::on_training_scores(std::span<const std::int64_t>, const ExampleScores& scores) {
  if (!scores_candidates()) observe(scores.losses, true);
}

SamplerState PowerSampler::state() const {
  SamplerState out = Sampler::state();
  out.meta["epoch"] = epoch_;
  return out;
}

void PowerSampler::restore(const SamplerState& state) {
  Sampler::restore(state);
  const auto epoch = state.meta.find("epoch");
  if (epoch == state.meta.end() || !epoch->is_number_integer()) {
    fail(Errc::kModel, "checkpoint: the state of sampler '", name(), "' lacks its epoch");
  }
  epoch_ = *epoch;
}

}  // namespace graft
