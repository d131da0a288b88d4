// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "sampler/score/example_values.h"
#include "sampler/score/loss_predictor.h"
#include "sampler/select/options.h"
#include "sampler/select/selective_backprop.h"

namespace graft {

enum class PredictorKind : std::uint8_t { kEwma, kGp };

/// "ewma" or "gp".
[[nodiscard]] std::string_view name(PredictorKind kind);

template <>
inline constexpr std::array kAllOf<PredictorKind> = {PredictorKind::kEwma, PredictorKind::kGp};

struct PredictedOptions : SelectiveBackpropOptions {
  PredictorKind predictor = PredictorKind::kEwma;
  double k = 2;                ///< deviations above the mean that a loss is expected to stay below
  std::int64_t max_age = 5;    ///< A_max: epochs after which a loss is measured again, 1: every one
  std::int64_t gp_window = 5;  ///< losses of an example that the Gaussian process sees, 1 to 16

  template <class V>
  void visit(V&& v) {
    SelectiveBackpropOptions::visit(v);
    v("predictor", predictor);
    v("k", k);
    v("max_age", max_age);
    v("gp_window", gp_window);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check() const;

  static PredictedOptions paper();
  static PredictedOptions standard();
};

/// Selective-Backprop that draws before it scores: a candidate is forwarded only if a loss up to
/// mean + k * deviation of its predicted one could pass its draw. The others are not selected, and
/// their last known loss enters the history. Source: spec section 4.4.
class Predicted final : public SelectiveBackprop {
 public:
  explicit Predicted(const PredictedOptions& options);

  [[nodiscard]] std::string_view name() const override { return "predicted"; }
  [[nodiscard]] Json describe() const override;
  [[nodiscard]] bool scores_ahead() const override { return false; }  // needs follow the history
  [[nodiscard]] SamplerState state() const override;
  void restore(const SamplerState& state) override;

 private:
  [[nodiscard]] bool needs_forward(const Candidates& candidates, std::size_t i) const override;
  std::span<const float> complete(const Candidates& candidates) override;
  void observe(const Candidates& candidates, bool priming) override;
  [[nodiscard]] bool eligible(std::size_t i) const override { return fresh_[i] != 0; }
  /// Largest F up to percentile c: what a candidate below it can have.
  [[nodiscard]] double highest_priority(double c) const;

  PredictedOptions options_;
  std::unique_ptr<LossPredictor> predictor_;
  ExampleValues loss_, seen_;        // by example: last loss, its epoch
  std::vector<double> running_max_;  // of F over a grid; empty if F never falls
  std::vector<float> complete_;      // of the slice
  std::vector<std::uint8_t> fresh_;  // of the slice: was forwarded
};

}  // namespace graft
