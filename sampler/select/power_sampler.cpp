// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/power_sampler.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"

namespace graft {

void PowerOptions::check() const {
  if (!(p_min >= 0 && p_min <= 1)) {
    fail(Errc::kUsage, "sampler: p_min must be in [0, 1], got ", p_min);
  }
  if (unbiased && p_min == 0) {
    fail(Errc::kUsage,
         "sampler: unbiased weighs a loss by 1 / P, so that no example may have P = 0: set p_min "
         "above 0 (e.g. 0.1), got ",
         p_min);
  }
  if (prime_epochs < 0) {
    fail(Errc::kUsage, "sampler: prime_epochs must be 0 or more, got ", prime_epochs);
  }
  queue.check();
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

bool PowerSampler::needs_forward(const Candidates&, std::size_t) const { return true; }

bool PowerSampler::eligible(std::size_t) const { return true; }

std::span<const float> PowerSampler::complete(const Candidates& candidates) {
  return candidates.losses;
}

double PowerSampler::probability(double c) const {
  return std::max(power_.p_min, power_.priority(c));
}

void PowerSampler::needs_selection_forward(const Candidates& candidates,
                                           std::span<std::uint8_t> out) const {
  GRAFT_CHECK_EQ(candidates.ids.size(), out.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = forwarded(candidates, i) ? 1 : 0;
}

Selection PowerSampler::select(const Candidates& candidates) {
  const std::size_t n = candidates.ids.size();
  GRAFT_CHECK_EQ(candidates.u_select.size(), n);
  Candidates known = candidates;
  if (scores_candidates()) {
    known.losses = complete(candidates);
    GRAFT_CHECK_EQ(known.losses.size(), n);
    require_finite_losses(known);
    observe(known, priming());
  }
  Selection out;
  out.probability.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    double p = 1;
    if (!priming()) p = eligible(i) ? probability(score(known, i)) : 0;
    out.probability[i] = p;
    if (static_cast<double>(candidates.u_select[i]) >= p) continue;
    out.rows.push_back(static_cast<std::int32_t>(i));
    out.weights.push_back(power_.unbiased ? static_cast<float>(1 / p) : 1.0F);
  }
  return out;
}

void PowerSampler::on_training_scores(std::span<const std::int64_t> ids,
                                      const ExampleScores& scores) {
  if (!scores_candidates()) observe({.ids = ids, .losses = scores.losses}, true);
}

SamplerState PowerSampler::state() const {
  SamplerState out = Sampler::state();
  out.meta["epoch"] = epoch_;
  out.meta["priority"] = power_.priority.text();  // it may have been exchanged
  return out;
}

void PowerSampler::restore(const SamplerState& state) {
  Sampler::restore(state);
  epoch_ = state.integer("epoch");
  if (const auto saved = state.meta.find("priority"); saved != state.meta.end()) {
    power_.priority = Priority::parse(saved->get<std::string>());
  }
}

}  // namespace graft
