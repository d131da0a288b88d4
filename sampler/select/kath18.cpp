// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/kath18.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/error.h"

namespace graft {

std::string_view name(KathScore score) { return score == KathScore::kGnorm ? "gnorm" : "loss"; }

std::string_view name(KathCheck check) {
  return check == KathCheck::kIteration ? "iteration" : "epoch";
}

std::string_view name(KathUniformScores scores) {
  return scores == KathUniformScores::kFree ? "free" : "extra";
}

void Kath18Options::check_ranges() const {
  if (!(presample >= 1 && presample <= 1000)) {
    fail(Errc::kUsage, "sampler kath18: presample must be in [1, 1000], got ", presample);
  }
  if (!(momentum >= 0 && momentum < 1)) {
    fail(Errc::kUsage, "sampler kath18: momentum must be in [0, 1), got ", momentum);
  }
  if (!(tau_threshold == 0 || tau_threshold >= 1)) {
    fail(Errc::kUsage,
         "sampler kath18: tau_threshold must be 0 (from presample) or at least 1, got ",
         tau_threshold);
  }
  if (weights && collapse_duplicates) {
    fail(Errc::kUsage, "sampler kath18: weights are those of draws with replacement; set weights ",
         "or collapse_duplicates to false");
  }
}

Kath18Options Kath18Options::paper() {
  Kath18Options o;
  o.score = KathScore::kLoss;
  o.weights = false;
  o.collapse_duplicates = true;
  o.check = KathCheck::kEpoch;
  o.uniform_scores = KathUniformScores::kExtra;
  return o;
}

double kath_tau(std::span<const float> scores) {
  double sum = 0, squares = 0;
  for (const float s : scores) {
    sum += static_cast<double>(s);
    squares += static_cast<double>(s) * static_cast<double>(s);
  }
  if (sum <= 0) return 1;
  return std::sqrt(static_cast<double>(scores.size()) * squares) / sum;
}

double kath_threshold(double presample) { return 1 + presample / 3; }

Kath18::Kath18(const Kath18Options& options)
    : options_(options),
      threshold_(options.tau_threshold > 0 ? options.tau_threshold
                                           : kath_threshold(options.presample)) {
  options.check_ranges();
}

Json Kath18::describe() const { return describe_options(name(), options_); }

std::int64_t Kath18::slice_size(std::int64_t batch) const {
  return static_cast<std::int64_t>(static_cast<double>(batch) * options_.presample);
}

EpochPlan Kath18::before_epoch(const EpochInfo&) {
  epoch_sampling_ = condition();
  return {};
}

void Kath18::needs_selection_forward(const Candidates& candidates,
                                     std::span<std::uint8_t> out) const {
  GRAFT_CHECK_EQ(candidates.ids.size(), out.size());
  const bool all = sampling() || options_.uniform_scores == KathUniformScores::kExtra;
  std::fill(out.begin(), out.end(), all ? std::uint8_t{1} : std::uint8_t{0});
}

void Kath18::update_tau(std::span<const float> scores) {
  tau_ = options_.momentum * tau_ + (1 - options_.momentum) * kath_tau(scores);
}

Selection Kath18::select(const Candidates& candidates) {
  require_finite_losses(candidates);
  slice_sampled_ = sampling();
  if (slice_sampled_) {
    const auto scores =
        options_.score == KathScore::kLoss ? candidates.losses : candidates.gradient_norms;
    GRAFT_CHECK_EQ(scores.size(), candidates.ids.size());
    Selection out = draw(scores, candidates.u_select);
    update_tau(scores);
    return out;
  }
  return Sampler::select(candidates);
}

Selection Kath18::draw(std::span<const float> scores, std::span<const float> u) const {
  const std::size_t n = scores.size();
  const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
  Selection out;
  out.probability.resize(n);
  std::vector<double> cumulative(n);
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double p = sum > 0 ? static_cast<double>(scores[i]) / sum : 1 / static_cast<double>(n);
    out.probability[i] = p;
    cumulative[i] = total += p;
  }
  const auto draws =
      std::max<std::int64_t>(1, std::llround(static_cast<double>(n) / options_.presample));
  for (std::int64_t k = 0; k < draws; ++k) {
    // u has an independent uniform for each candidate, and there are at least as many as draws.
    const double at = static_cast<double>(u[static_cast<std::size_t>(k)]) * total;
    const auto hit = std::upper_bound(cumulative.begin(), cumulative.end(), at);
    out.rows.push_back(static_cast<std::int32_t>(
        std::min(hit - cumulative.begin(), static_cast<std::ptrdiff_t>(n) - 1)));
  }
  std::sort(out.rows.begin(), out.rows.end());
  if (options_.collapse_duplicates) {
    out.rows.erase(std::unique(out.rows.begin(), out.rows.end()), out.rows.end());
  }
  for (const std::int32_t row : out.rows) {
    const double p = out.probability[static_cast<std::size_t>(row)];
    out.weights.push_back(options_.weights ? static_cast<float>(1 / (static_cast<double>(n) * p))
                                           : 1.0F);
  }
  return out;
}

void Kath18::on_training_scores(std::span<const std::int64_t>, const ExampleScores& scores) {
  if (slice_sampled_) return;
  update_tau(options_.score == KathScore::kLoss ? scores.losses : scores.gradient_norms);
}

SamplerState Kath18::state() const {
  SamplerState out = Sampler::state();
  out.meta["tau"] = tau_;
  out.meta["epoch_sampling"] = epoch_sampling_ ? 1 : 0;
  out.meta["slice_sampled"] = slice_sampled_ ? 1 : 0;
  return out;
}

void Kath18::restore(const SamplerState& state) {
  Sampler::restore(state);
  tau_ = state.number("tau");
  epoch_sampling_ = state.integer("epoch_sampling") != 0;
  slice_sampled_ = state.integer("slice_sampled") != 0;
}

}  // namespace graft
