// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampler/score/example_values.h"
#include "sampler/select/sampler.h"

namespace graft {

struct InfoBatchOptions {
  double ratio = 0.5;    ///< r: share of the examples below the mean that is pruned, in [0, 0.9]
  double delta = 0.875;  ///< fraction of the run that prunes; the rest trains everything

  template <class V>
  void visit(V&& v) {
    v("ratio", ratio);
    v("delta", delta);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check() const;
};

/// InfoBatch: an epoch leaves out a share of the examples whose last training loss was below the
/// mean, and weighs those of them that it keeps by 1 / (1 - r), so that the epoch's sum of
/// gradients is unbiased. No extra forward. Source: Qin et al., ICLR 2024.
class InfoBatch final : public Sampler {
 public:
  explicit InfoBatch(const InfoBatchOptions& options);

  [[nodiscard]] std::string_view name() const override { return "infobatch"; }
  [[nodiscard]] Json describe() const override;
  EpochPlan before_epoch(const EpochInfo& info) override;
  void on_training_scores(std::span<const std::int64_t> ids, const ExampleScores& scores) override;
  [[nodiscard]] SamplerState state() const override;
  void restore(const SamplerState& state) override;

 private:
  InfoBatchOptions options_;
  ExampleValues scores_;  // by example: its last training loss
};

}  // namespace graft
