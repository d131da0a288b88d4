// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampler/score/example_values.h"
#include "sampler/select/sampler.h"

namespace graft {

struct KakurenboOptions {
  double fraction = 0.3;    ///< F: largest share of the examples that an epoch hides, in [0, 0.9]
  double confidence = 0.7;  ///< tau: an example less sure than this stays
  /// F falls by this share of itself at 3/10, 6/10 and 8/10 of the run, in [0, 1/3].
  double decay = 0.2;
  bool scale_lr = true;            ///< multiply the rate by 1 / (1 - F), hidden or not
  std::int64_t warmup_epochs = 1;  ///< epochs at the start that do not scale it

  template <class V>
  void visit(V&& v) {
    v("fraction", fraction);
    v("confidence", confidence);
    v("decay", decay);
    v("scale_lr", scale_lr);
    v("warmup_epochs", warmup_epochs);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check() const;
};

/// KAKURENBO: an epoch hides the examples of lowest loss, except those that were misclassified or
/// unsure when last seen; behind it the hidden ones are forwarded to refresh what is known of them.
/// Source: Nguyen et al., NeurIPS 2023.
class Kakurenbo final : public Sampler {
 public:
  explicit Kakurenbo(const KakurenboOptions& options);

  [[nodiscard]] std::string_view name() const override { return "kakurenbo"; }
  [[nodiscard]] Json describe() const override;
  [[nodiscard]] bool needs_softmax_scores() const override { return true; }
  EpochPlan before_epoch(const EpochInfo& info) override;
  void on_training_scores(std::span<const std::int64_t> ids, const ExampleScores& scores) override;
  void on_refresh_scores(std::span<const std::int64_t> ids, const ExampleScores& scores) override;
  [[nodiscard]] SamplerState state() const override;
  void restore(const SamplerState& state) override;

  /// F of an epoch.
  [[nodiscard]] double fraction(std::int64_t epoch, std::int64_t epochs) const;

 private:
  KakurenboOptions options_;
  ExampleValues loss_, sureness_;  // by example; sureness: confidence, 0 if misclassified
};

}  // namespace graft
