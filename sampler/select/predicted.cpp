// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/predicted.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"

namespace graft {
namespace {

constexpr std::size_t kGrid = 1024;

const PredictedOptions& checked(const PredictedOptions& options) {
  options.check();
  return options;
}

}  // namespace

std::string_view name(PredictorKind kind) { return kind == PredictorKind::kEwma ? "ewma" : "gp"; }

void PredictedOptions::check() const {
  SelectiveBackpropOptions::check();
  if (!(k >= 0)) fail(Errc::kUsage, "sampler predicted: k must be 0 or more, got ", k);
  if (max_age < 1) {
    fail(Errc::kUsage, "sampler predicted: max_age must be 1 or more epochs, got ", max_age);
  }
  if (gp_window < 1 || gp_window > 16) {
    fail(Errc::kUsage, "sampler predicted: gp_window must be in [1, 16], got ", gp_window);
  }
}

PredictedOptions PredictedOptions::paper() { return {SelectiveBackpropOptions::paper()}; }

PredictedOptions PredictedOptions::standard() { return {SelectiveBackpropOptions::standard()}; }

Predicted::Predicted(const PredictedOptions& options)
    : SelectiveBackprop(options), options_(checked(options)) {
  if (options.predictor == PredictorKind::kEwma)
    predictor_ = std::make_unique<EwmaPredictor>();
  else
    predictor_ = std::make_unique<GpPredictor>(options.gp_window);
  if (priority().is_monotone()) return;
  double highest = 0;
  for (std::size_t i = 0; i <= kGrid; ++i) {
    highest = std::max(highest, priority()(static_cast<double>(i) / kGrid));
    running_max_.push_back(highest);
  }
}

Json Predicted::describe() const { return describe_options(name(), options_); }

double Predicted::highest_priority(double c) const {
  if (running_max_.empty()) return probability(c);
  const auto next = static_cast<std::size_t>(std::ceil(c * kGrid));
  return std::max(probability(c), running_max_[next]);
}

bool Predicted::needs_forward(const Candidates& candidates, std::size_t i) const {
  const std::int64_t id = candidates.ids[i];
  if (std::isinf(options_.k) || !loss_.known(id)) return true;
  if (epoch() - static_cast<std::int64_t>(seen_[id]) >= options_.max_age) return true;
  const LossPrediction p = predictor_->predict(id, epoch());
  const auto upper = static_cast<float>(p.mean + options_.k * p.deviation);
  return static_cast<double>(candidates.u_select[i]) < highest_priority(percentile(upper));
}

std::span<const float> Predicted::complete(const Candidates& candidates) {
  const std::size_t n = candidates.ids.size();
  complete_.resize(n);
  fresh_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    fresh_[i] = forwarded(candidates, i) ? 1 : 0;
    complete_[i] = fresh_[i] != 0 ? measured(candidates, i) : loss_[candidates.ids[i]];
  }
  return complete_;
}

void Predicted::observe(const Candidates& candidates, bool priming) {
  for (std::size_t i = 0; i < candidates.ids.size(); ++i) {
    if (!priming && fresh_[i] == 0) continue;
    const std::int64_t id = candidates.ids[i];
    loss_.set(id, candidates.losses[i]);
    seen_.set(id, static_cast<float>(epoch()));
    predictor_->observe(id, epoch(), static_cast<double>(candidates.losses[i]));
  }
  SelectiveBackprop::observe(candidates, priming);
}

SamplerState Predicted::state() const {
  SamplerState out = SelectiveBackprop::state();
  out.arrays["loss"] = loss_.values();
  out.arrays["seen"] = seen_.values();
  out.arrays.merge(predictor_->arrays());
  return out;
}

void Predicted::restore(const SamplerState& state) {
  SelectiveBackprop::restore(state);
  loss_.restore(state.array("loss"));
  seen_.restore(state.array("seen"));
  predictor_->restore(state.arrays);
}

}  // namespace graft
