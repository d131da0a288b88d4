// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "sampler/select/options.h"
#include "sampler/select/sampler.h"

namespace graft {

enum class KathScore : std::uint8_t {
  kGnorm,  ///< ||softmax - onehot||_2: bounds the gradient's norm
  kLoss,
};
enum class KathCheck : std::uint8_t {
  kIteration,  ///< sampling switches with every slice
  kEpoch,      ///< with the epoch
};
enum class KathUniformScores : std::uint8_t {
  kFree,   ///< while sampling is off, scores are those of the training forward
  kExtra,  ///< candidates pay a selection forward all the same
};
/// "gnorm", "loss"; "iteration", "epoch"; "free", "extra".
[[nodiscard]] std::string_view name(KathScore score);
[[nodiscard]] std::string_view name(KathCheck check);
[[nodiscard]] std::string_view name(KathUniformScores scores);

template <>
inline constexpr std::array kAllOf<KathScore> = {KathScore::kGnorm, KathScore::kLoss};
template <>
inline constexpr std::array kAllOf<KathCheck> = {KathCheck::kIteration, KathCheck::kEpoch};
template <>
inline constexpr std::array kAllOf<KathUniformScores> = {KathUniformScores::kFree,
                                                         KathUniformScores::kExtra};

struct Kath18Options {
  KathScore score = KathScore::kGnorm;
  double presample = 3;              ///< candidates of one drawn example, 1 or more
  double momentum = 0.9;             ///< of tau's moving average, in [0, 1)
  double tau_threshold = 0;          ///< sampling is on above it; 0: kath_threshold()
  bool weights = true;               ///< 1 / (candidates * p): unbiased for their mean
  bool collapse_duplicates = false;  ///< an example drawn twice trains once
  KathCheck check = KathCheck::kIteration;
  KathUniformScores uniform_scores = KathUniformScores::kFree;

  template <class V>
  void visit(V&& v) {
    v("score", score);
    v("presample", presample);
    v("momentum", momentum);
    v("tau_threshold", tau_threshold);
    v("weights", weights);
    v("collapse_duplicates", collapse_duplicates);
    v("check", check);
    v("uniform_scores", uniform_scores);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check_ranges() const;

  /// As Jiang's thesis ran it: losses, biased, duplicates collapse, one decision an epoch.
  static Kath18Options paper();
  static Kath18Options standard() { return {}; }
};

/// sqrt(n * sum p^2) of the scores as probabilities p: 1 if all are equal, sqrt(n) if one has all;
/// 1 for scores that sum to 0. How many times more uniform examples give the same variance.
[[nodiscard]] double kath_tau(std::span<const float> scores);
/// 1 + presample / 3: above it sampling pays where a backward costs two forwards.
[[nodiscard]] double kath_threshold(double presample);

/// Importance sampling by Katharopoulos and Fleuret, "Not All Samples Are Created Equal", ICML
/// 2018: of n candidates n / presample are drawn with replacement, in proportion to their scores,
/// once the moving average of tau passes the threshold; before, all are trained. Candidates come
/// in the order of the epoch, not drawn with replacement.
class Kath18 final : public Sampler {
 public:
  explicit Kath18(const Kath18Options& options);

  [[nodiscard]] std::string_view name() const override { return "kath18"; }
  [[nodiscard]] Json describe() const override;
  [[nodiscard]] QueueOptions queue_options() const override {
    return {.mode = QueueMode::kFlushSlice};
  }
  [[nodiscard]] std::int64_t slice_size(std::int64_t batch) const override;
  [[nodiscard]] bool needs_softmax_scores() const override {
    return options_.score == KathScore::kGnorm;
  }
  EpochPlan before_epoch(const EpochInfo& info) override;
  void needs_selection_forward(const Candidates& candidates,
                               std::span<std::uint8_t> out) const override;
  Selection select(const Candidates& candidates) override;
  void on_training_scores(std::span<const std::int64_t> ids, const ExampleScores& scores) override;
  [[nodiscard]] SamplerState state() const override;
  void restore(const SamplerState& state) override;

  [[nodiscard]] double tau() const { return tau_; }

 private:
  [[nodiscard]] bool condition() const { return tau_ > threshold_; }
  [[nodiscard]] bool sampling() const {
    return options_.check == KathCheck::kEpoch ? epoch_sampling_ : condition();
  }
  void update_tau(std::span<const float> scores);
  [[nodiscard]] Selection draw(std::span<const float> scores, std::span<const float> u) const;

  Kath18Options options_;
  double threshold_;
  double tau_ = 0;
  bool epoch_sampling_ = false;  // the condition at the epoch's start
  bool slice_sampled_ = false;   // whether the last slice was drawn from
};

}  // namespace graft
