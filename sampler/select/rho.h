// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "sampler/select/sampler.h"

namespace graft {

struct RhoOptions {
  double keep = 0.1;           ///< share of each slice, in (0, 1]; one example at least
  std::int64_t il_epochs = 0;  ///< epochs of the irreducible-loss model; 0: as many as the run's
  QueueOptions queue;

  template <class V>
  void visit(V&& v) {
    v("keep", keep);
    v("il_epochs", il_epochs);
    queue.visit(v);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check() const;
};

/// RHO-LOSS: keeps the share of each slice whose loss exceeds its irreducible loss by most, ties by
/// index. The irreducible loss is that of a model trained on other examples, which this run leaves
/// out. Source: Mindermann et al., ICML 2022.
class Rho final : public Sampler {
 public:
  explicit Rho(const RhoOptions& options);

  [[nodiscard]] std::string_view name() const override { return "rho"; }
  [[nodiscard]] Json describe() const override;
  [[nodiscard]] QueueOptions queue_options() const override { return options_.queue; }
  /// So many that a slice fills a batch.
  [[nodiscard]] std::int64_t slice_size(std::int64_t batch) const override;
  /// Throws Error(kConfig) if there are no irreducible losses.
  EpochPlan before_epoch(const EpochInfo& info) override;
  void needs_selection_forward(const Candidates& candidates,
                               std::span<std::uint8_t> out) const override;
  Selection select(const Candidates& candidates) override;
  [[nodiscard]] std::int64_t irreducible_epochs(std::int64_t epochs) const override;
  void set_irreducible_losses(std::span<const float> by_id) override;
  [[nodiscard]] SamplerState state() const override;
  void restore(const SamplerState& state) override;

 private:
  RhoOptions options_;
  std::vector<float> irreducible_;  // by example; NaN: not trained on
};

}  // namespace graft
