// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "sampler/score/loss_history.h"
#include "sampler/select/sampler.h"

namespace graft {

/// Options of the samplers that keep a candidate with probability max(p_min, c^beta).
struct PowerOptions {
  double beta = 2;                ///< selects about 1 / (beta + 1) of the candidates
  double p_min = 0;               ///< in [0, 1]
  std::int64_t prime_epochs = 1;  ///< epochs at the start that select everything
  /// Whether candidates pay a selection forward while everything is selected anyway, as in the
  /// authors' loop. Otherwise the training forward's losses are what is observed then.
  bool prime_forward = false;
  QueueOptions queue;

  template <class V>
  void visit(V&& v) {
    v("beta", beta);
    v("p_min", p_min);
    v("prime_epochs", prime_epochs);
    v("prime_forward", prime_forward);
    v("queue_mode", queue.mode);
    v("epoch_end", queue.epoch_end);
    v("watchdog_batches", queue.watchdog_batches);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check() const;

  /// As the authors' published runs.
  static PowerOptions paper();
  /// The same idea without the starvation and the queue artefacts; `default` on the command line.
  static PowerOptions standard();
};

/// Scores each candidate of a slice with a c in [0, 1] and draws it with max(p_min, c^beta); every
/// candidate pays a selection forward.
class PowerSampler : public Sampler {
 public:
  EpochPlan before_epoch(const EpochInfo& info) override;
  void needs_selection_forward(const Candidates& candidates,
                               std::span<std::uint8_t> out) const final;
  Selection select(const Candidates& candidates) final;
  void on_training_scores(std::span<const std::int64_t> ids, const ExampleScores& scores) override;
  [[nodiscard]] QueueOptions queue_options() const final { return power_.queue; }
  [[nodiscard]] SamplerState state() const override;
  void restore(const SamplerState& state) override;

 protected:
  explicit PowerSampler(const PowerOptions& options);

  /// Called with the losses of each slice before it is scored; while priming without a forward,
  /// with those of each update.
  virtual void observe(std::span<const float> losses, bool priming) = 0;
  /// c of candidate i.
  [[nodiscard]] virtual double score(const Candidates& candidates, std::size_t i) const = 0;

 private:
  [[nodiscard]] bool priming() const { return epoch_ < power_.prime_epochs; }
  [[nodiscard]] bool scores_candidates() const { return power_.prime_forward || !priming(); }

  PowerOptions power_;
  std::int64_t epoch_ = 0;
};

}  // namespace graft
