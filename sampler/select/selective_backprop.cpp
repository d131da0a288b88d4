// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/selective_backprop.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"
#include "sampler/select/options.h"

namespace graft {
namespace {

constexpr const char* kHistory = "history";

const SelectiveBackpropOptions& checked(const SelectiveBackpropOptions& options) {
  options.check();
  return options;
}

}  // namespace

void SelectiveBackpropOptions::check() const {
  PowerOptions::check();
  if (history <= 0) fail(Errc::kUsage, "sampler: R must be above 0, got ", history);
}

SelectiveBackpropOptions SelectiveBackpropOptions::paper() {
  SelectiveBackpropOptions o{PowerOptions::paper()};
  o.tie = Ties::kStrict;
  o.prime_feeds_history = false;
  return o;
}

SelectiveBackpropOptions SelectiveBackpropOptions::standard() { return {PowerOptions::standard()}; }

SelectiveBackprop::SelectiveBackprop(const SelectiveBackpropOptions& options)
    : PowerSampler(options), options_(checked(options)), history_(options.history) {}

Json SelectiveBackprop::describe() const { return describe_options(name(), options_); }

void SelectiveBackprop::observe(const Candidates& candidates, bool priming) {
  const auto losses = candidates.losses;
  if (std::ssize(losses) > history_.capacity()) {
    fail(Errc::kConfig, "sampler ", name(), ": a slice of ", losses.size(),
         " candidates does not fit its R = ", history_.capacity(), " losses; set R to at least ",
         4 * losses.size());
  }
  if (!priming || options_.prime_feeds_history) history_.push(losses);
}

double SelectiveBackprop::percentile(float loss) const {
  return history_.percentile(loss, options_.tie);
}

double SelectiveBackprop::score(const Candidates& candidates, std::size_t i) const {
  return history_.percentile(candidates.losses[i], options_.tie, !options_.include_self);
}

std::optional<PercentileRule> SelectiveBackprop::percentile_rule() const {
  if (name() != "sb" || priming() || options_.unbiased || history_.size() < history_.capacity()) {
    return {};
  }
  PercentileRule rule{.tie = static_cast<int>(options_.tie),
                      .include_self = options_.include_self,
                      .probability = {}};
  const std::int64_t halves = 2 * history_.capacity();
  const auto others = static_cast<double>(history_.capacity() - (options_.include_self ? 0 : 1));
  for (std::int64_t h = 0; h <= halves; ++h) {
    rule.probability.push_back(
        others == 0 ? probability(0)
                    : probability(std::min(1.0, static_cast<double>(h) / 2 / others)));
  }
  return rule;
}

SamplerState SelectiveBackprop::state() const {
  SamplerState out = PowerSampler::state();
  out.arrays[kHistory] = history_.values();
  return out;
}

void SelectiveBackprop::restore(const SamplerState& state) {
  PowerSampler::restore(state);
  const std::vector<float>& saved = state.array(kHistory);
  if (std::ssize(saved) > history_.capacity() ||
      !std::all_of(saved.begin(), saved.end(), [](float loss) { return std::isfinite(loss); })) {
    fail(Errc::kModel, "checkpoint: the loss history of sampler '", name(),
         "' is not finite or longer than R = ", history_.capacity());
  }
  history_.restore(saved);
}

}  // namespace graft
