// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/stale.h"

#include "engine/core/error.h"

namespace graft {
namespace {

// The authors' forward queue is emptied once it holds more than four batches: with the fifth.
constexpr std::int64_t kSlicesPerFlush = 5;

const StaleOptions& checked(const StaleOptions& options) {
  options.check();
  return options;
}

}  // namespace

std::string_view name(StoredLoss stored) {
  return stored == StoredLoss::kAnyForward ? "any_forward" : "selection_only";
}

void StaleOptions::check() const {
  SelectiveBackpropOptions::check();
  if (staleness < 1) {
    fail(Errc::kUsage, "sampler stale: staleness must be 1 or more epochs, got ", staleness);
  }
  if (compat_throttle && queue.mode != QueueMode::kOneStepPerSlice) {
    fail(Errc::kUsage, "sampler stale: compat_throttle needs queue_mode one_step_per_slice, got ",
         graft::name(queue.mode));
  }
}

StaleOptions StaleOptions::paper() {
  StaleOptions o{SelectiveBackpropOptions::paper()};
  o.compat_throttle = true;
  return o;
}

StaleOptions StaleOptions::standard() { return {SelectiveBackpropOptions::standard()}; }

StaleSB::StaleSB(const StaleOptions& options)
    : SelectiveBackprop(options), options_(checked(options)) {}

Json StaleSB::describe() const { return describe_options(name(), options_); }

bool StaleSB::needs_forward(const Candidates& candidates, std::size_t i) const {
  const std::int64_t id = candidates.ids[i];
  if (!loss_.known(id) || !scored_.known(id)) return true;
  return epoch() - static_cast<std::int64_t>(scored_[id]) >= options_.staleness;
}

std::span<const float> StaleSB::complete(const Candidates& candidates) {
  complete_.resize(candidates.ids.size());
  for (std::size_t i = 0; i < complete_.size(); ++i) {
    complete_[i] = forwarded(candidates, i) ? measured(candidates, i) : loss_[candidates.ids[i]];
  }
  return complete_;
}

void StaleSB::observe(const Candidates& candidates, bool priming) {
  for (std::size_t i = 0; i < candidates.ids.size(); ++i) {
    if (!priming && !needs_forward(candidates, i)) continue;
    loss_.set(candidates.ids[i], candidates.losses[i]);
    scored_.set(candidates.ids[i], static_cast<float>(epoch()));
  }
  SelectiveBackprop::observe(candidates, priming);
}

Selection StaleSB::select(const Candidates& candidates) {
  bool fresh = priming();
  for (std::size_t i = 0; i < candidates.ids.size(); ++i) fresh |= forwarded(candidates, i);
  Selection out = SelectiveBackprop::select(candidates);
  stale_slices_ = fresh ? 0 : stale_slices_ + 1;
  out.hold = options_.compat_throttle && stale_slices_ % kSlicesPerFlush != 0;
  return out;
}

void StaleSB::on_training_scores(std::span<const std::int64_t> ids, const ExampleScores& scores) {
  SelectiveBackprop::on_training_scores(ids, scores);
  if (options_.stored_loss == StoredLoss::kSelectionOnly) return;
  for (std::size_t i = 0; i < ids.size(); ++i) loss_.set(ids[i], scores.losses[i]);
}

SamplerState StaleSB::state() const {
  SamplerState out = SelectiveBackprop::state();
  out.meta["stale_slices"] = stale_slices_;
  out.arrays["loss"] = loss_.values();
  out.arrays["scored"] = scored_.values();
  return out;
}

void StaleSB::restore(const SamplerState& state) {
  SelectiveBackprop::restore(state);
  stale_slices_ = state.integer("stale_slices");
  loss_.restore(state.array("loss"));
  scored_.restore(state.array("scored"));
}

}  // namespace graft
