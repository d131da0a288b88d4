// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/kakurenbo.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "engine/core/error.h"
#include "sampler/select/options.h"

namespace graft {

void KakurenboOptions::check() const {
  if (!(fraction >= 0 && fraction <= 0.9)) {
    fail(Errc::kUsage, "sampler kakurenbo: fraction must be in [0, 0.9], got ", fraction);
  }
  if (!(confidence >= 0 && confidence <= 1)) {
    fail(Errc::kUsage, "sampler kakurenbo: confidence must be in [0, 1], got ", confidence);
  }
  if (!(decay >= 0 && decay <= 1.0 / 3)) {
    fail(Errc::kUsage, "sampler kakurenbo: decay must be in [0, 1/3], got ", decay);
  }
  if (warmup_epochs < 0) {
    fail(Errc::kUsage, "sampler kakurenbo: warmup_epochs must be 0 or more, got ", warmup_epochs);
  }
}

Kakurenbo::Kakurenbo(const KakurenboOptions& options) : options_(options) { options.check(); }

Json Kakurenbo::describe() const { return describe_options(name(), options_); }

double Kakurenbo::fraction(std::int64_t epoch, std::int64_t epochs) const {
  // The published epochs 60, 120 and 160 of 200, in tenths of the run.
  constexpr std::array<std::int64_t, 3> kTenths = {3, 6, 8};
  const auto passed = std::count_if(kTenths.begin(), kTenths.end(), [=](std::int64_t tenths) {
    return 10 * epoch >= tenths * epochs;
  });
  return options_.fraction * (1 - options_.decay * static_cast<double>(passed));
}

EpochPlan Kakurenbo::before_epoch(const EpochInfo& info) {
  const double cap = fraction(info.epoch, info.epochs);
  EpochPlan plan;
  if (options_.scale_lr && info.epoch >= options_.warmup_epochs) plan.lr_scale = 1 / (1 - cap);
  std::vector<std::int64_t> order(static_cast<std::size_t>(info.examples));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  // Examples that were never seen come last: they are not hidden.
  std::stable_sort(order.begin(), order.end(), [this](std::int64_t a, std::int64_t b) {
    return loss_.known(a) && (!loss_.known(b) || loss_[a] < loss_[b]);
  });
  const auto candidates = static_cast<std::size_t>(cap * static_cast<double>(info.examples));
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::int64_t id = order[i];
    const bool hide = i < candidates && loss_.known(id) && sureness_[id] > 0 &&
                      static_cast<double>(sureness_[id]) >= options_.confidence;
    (hide ? plan.refresh : plan.ids).push_back(id);
  }
  plan.all = plan.refresh.empty();
  if (plan.all) plan.ids.clear();
  std::sort(plan.ids.begin(), plan.ids.end());
  std::sort(plan.refresh.begin(), plan.refresh.end());
  return plan;
}

void Kakurenbo::on_training_scores(std::span<const std::int64_t> ids, const ExampleScores& scores) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    loss_.set(ids[i], scores.losses[i]);
    sureness_.set(ids[i], scores.correct[i] != 0 ? scores.confidences[i] : 0.0F);
  }
}

void Kakurenbo::on_refresh_scores(std::span<const std::int64_t> ids, const ExampleScores& scores) {
  on_training_scores(ids, scores);
}

SamplerState Kakurenbo::state() const {
  SamplerState out = Sampler::state();
  out.arrays["loss"] = loss_.values();
  out.arrays["sureness"] = sureness_.values();
  return out;
}

void Kakurenbo::restore(const SamplerState& state) {
  Sampler::restore(state);
  loss_.restore(state.array("loss"));
  sureness_.restore(state.array("sureness"));
}

}  // namespace graft
