// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/info_batch.h"

#include <algorithm>

#include "engine/core/error.h"
#include "sampler/select/options.h"

namespace graft {

void InfoBatchOptions::check() const {
  if (!(ratio >= 0 && ratio <= 0.9)) {
    fail(Errc::kUsage, "sampler infobatch: ratio (the pruned share) must be in [0, 0.9], got ",
         ratio);
  }
  if (!(delta >= 0 && delta <= 1)) {
    fail(Errc::kUsage, "sampler infobatch: delta must be in [0, 1], got ", delta);
  }
}

InfoBatch::InfoBatch(const InfoBatchOptions& options) : options_(options) { options.check(); }

Json InfoBatch::describe() const { return describe_options(name(), options_); }

EpochPlan InfoBatch::before_epoch(const EpochInfo& info) {
  constexpr double kRounding = 1e-9;  // of delta * epochs
  const double pruning = options_.delta * static_cast<double>(info.epochs);
  if (static_cast<double>(info.epoch + 1) > pruning + kRounding) return {};
  double sum = 0;
  for (std::int64_t id = 0; id < info.examples; ++id) {
    // Without a loss of every example there is no mean to compare with.
    if (!scores_.known(id)) return {};
    sum += static_cast<double>(scores_[id]);
  }
  const double mean = sum / static_cast<double>(info.examples);
  EpochPlan plan;
  plan.all = false;
  std::vector<std::int64_t> low;
  for (std::int64_t id = 0; id < info.examples; ++id) {
    (static_cast<double>(scores_[id]) < mean ? low : plan.ids).push_back(id);
  }
  GRAFT_CHECK_EQ(std::ssize(info.u), info.examples);
  const auto u = [&info](std::int64_t id) { return info.u[static_cast<std::size_t>(id)]; };
  std::sort(low.begin(), low.end(),
            [&u](std::int64_t a, std::int64_t b) { return u(a) != u(b) ? u(a) < u(b) : a < b; });
  const double kept_share = 1 - options_.ratio;
  low.resize(static_cast<std::size_t>(kept_share * static_cast<double>(low.size()) + kRounding));
  plan.weights.assign(plan.ids.size(), 1.0F);
  plan.ids.insert(plan.ids.end(), low.begin(), low.end());
  plan.weights.resize(plan.ids.size(), static_cast<float>(1 / kept_share));
  return plan;
}

void InfoBatch::on_training_scores(std::span<const std::int64_t> ids, const ExampleScores& scores) {
  for (std::size_t i = 0; i < ids.size(); ++i) scores_.set(ids[i], scores.losses[i]);
}

SamplerState InfoBatch::state() const {
  SamplerState out = Sampler::state();
  out.arrays["score"] = scores_.values();
  return out;
}

void InfoBatch::restore(const SamplerState& state) {
  Sampler::restore(state);
  scores_.restore(state.array("score"));
}

}  // namespace graft
