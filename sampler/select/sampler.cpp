// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/error.h"

namespace graft {

namespace {

template <class Is>
const Json& saved_value(const SamplerState& state, const std::string& key, Is is) {
  const auto saved = state.meta.find(key);
  if (saved == state.meta.end() || !is(*saved)) {
    fail(Errc::kModel, "checkpoint: the state of sampler '", state.meta.value("sampler", "?"),
         "' lacks its ", key);
  }
  return *saved;
}

}  // namespace

const std::vector<float>& SamplerState::array(const std::string& key) const {
  const auto saved = arrays.find(key);
  if (saved == arrays.end()) {
    fail(Errc::kModel, "checkpoint: the state of sampler '", meta.value("sampler", "?"),
         "' lacks its array ", key);
  }
  return saved->second;
}

std::int64_t SamplerState::integer(const std::string& key) const {
  return saved_value(*this, key, [](const Json& json) { return json.is_number_integer(); });
}

double SamplerState::number(const std::string& key) const {
  return saved_value(*this, key, [](const Json& json) { return json.is_number(); });
}

void require_finite_losses(const Candidates& candidates) {
  for (std::size_t i = 0; i < candidates.losses.size(); ++i) {
    if (std::isfinite(candidates.losses[i])) continue;
    fail(Errc::kNumerical, "loss of example ", candidates.ids[i], " is ", candidates.losses[i],
         ": lower the learning rate or check the input");
  }
}

void Sampler::needs_selection_forward(const Candidates& candidates,
                                      std::span<std::uint8_t> out) const {
  GRAFT_CHECK_EQ(candidates.ids.size(), out.size());
  std::fill(out.begin(), out.end(), std::uint8_t{0});
}

Selection Sampler::select(const Candidates& candidates) {
  Selection out;
  out.rows.resize(candidates.ids.size());
  std::iota(out.rows.begin(), out.rows.end(), 0);
  out.weights.assign(candidates.ids.size(), 1.0F);
  return out;
}

EpochPlan Sampler::before_epoch(const EpochInfo&) { return {}; }

void Sampler::on_training_scores(std::span<const std::int64_t>, const ExampleScores&) {}

void Sampler::on_refresh_scores(std::span<const std::int64_t>, const ExampleScores&) {}

std::int64_t Sampler::irreducible_epochs(std::int64_t) const { return 0; }

void Sampler::set_irreducible_losses(std::span<const float>) {}

void Sampler::end_of_epoch(const EpochInfo&) {}

void Sampler::set_priority(const Priority&) {
  fail(Errc::kUsage, "sampler ", name(), " does not draw by a priority function");
}

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
