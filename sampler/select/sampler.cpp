// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/sampler.h"

#include "engine/core/error.h"

namespace graft {

EpochPlan Sampler::before_epoch(const EpochInfo&) { return {}; }

void Sampler::on_training_scores(std::span<const std::int64_t>, const ExampleScores&) {}

void Sampler::on_refresh_scores(std::span<const std::int64_t>, const ExampleScores&) {}

void Sampler::set_irreducible_losses(std::span<const float>) {}

void Sampler::end_of_epoch(const EpochInfo&) {}

SamplerState Sampler::state() const {
  return {.meta = {{"sampler", std::string(name())}}, .arrays = {}};
}

void Sampler::restore(const SamplerState& state) {
  const auto saved = state.meta.find("sampler");
  const std::string found = saved != state.meta.end() && saved->is_string() ? *saved : "none";
  if (found != name()) {
    fail(Errc::kModel, "checkpoint holds the state of sampler '", found, "', this run uses '",
         name(), "'");
  }
}

}  // namespace graft
