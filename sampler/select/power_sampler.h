// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "engine/core/error.h"
#include "sampler/score/loss_history.h"
#include "sampler/score/priority.h"
#include "sampler/select/sampler.h"

namespace graft {

/// Options of the samplers that keep a candidate with probability P = max(p_min, F(c)).
struct PowerOptions {
  Priority priority = Priority::power(2);  ///< F; power:beta selects about 1 / (beta + 1)
  double p_min = 0;                        ///< in [0, 1]
  bool unbiased = false;                   ///< weigh a selected loss by 1 / P; needs p_min > 0
  std::int64_t prime_epochs = 1;           ///< epochs at the start that select everything
  /// Whether candidates pay a selection forward while everything is selected anyway, as in the
  /// authors' loop. Otherwise the training forward's losses are what is observed then.
  bool prime_forward = false;
  QueueOptions queue;

  template <class V>
  void visit(V&& v) {
    v("priority", priority);
    v("p_min", p_min);
    v("unbiased", unbiased);
    v("prime_epochs", prime_epochs);
    v("prime_forward", prime_forward);
    queue.visit(v);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check() const;

  /// As the authors' published runs.
  static PowerOptions paper();
  /// The same idea without the starvation and the queue artefacts; `default` on the command line.
  static PowerOptions standard();
};

/// Scores each candidate of a slice with a c in [0, 1] and draws it with max(p_min, F(c)).
class PowerSampler : public Sampler {
 public:
  EpochPlan before_epoch(const EpochInfo& info) override;
  void needs_selection_forward(const Candidates& candidates,
                               std::span<std::uint8_t> out) const final;
  Selection select(const Candidates& candidates) override;
  void on_training_scores(std::span<const std::int64_t> ids, const ExampleScores& scores) override;
  [[nodiscard]] QueueOptions queue_options() const final { return power_.queue; }
  [[nodiscard]] bool has_priority() const final { return true; }
  void set_priority(const Priority& priority) final { power_.priority = priority; }
  [[nodiscard]] SamplerState state() const override;
  void restore(const SamplerState& state) override;

 protected:
  explicit PowerSampler(const PowerOptions& options);

  /// Whether candidate i pays a selection forward, once primed. It may read ids and uniforms.
  [[nodiscard]] virtual bool needs_forward(const Candidates& candidates, std::size_t i) const;
  /// One loss a candidate, also for those that were not forwarded.
  virtual std::span<const float> complete(const Candidates& candidates);
  /// Called with each slice, its losses complete and finite, before it is scored; while priming
  /// without a forward, with each update.
  virtual void observe(const Candidates& candidates, bool priming) = 0;
  /// c of candidate i; losses are complete.
  [[nodiscard]] virtual double score(const Candidates& candidates, std::size_t i) const = 0;
  /// Whether candidate i of the present slice stands for selection at all.
  [[nodiscard]] virtual bool eligible(std::size_t i) const;

  [[nodiscard]] std::int64_t epoch() const { return epoch_; }
  [[nodiscard]] bool priming() const { return epoch_ < power_.prime_epochs; }
  /// Whether candidate i was to be forwarded: what needs_selection_forward() answered.
  [[nodiscard]] bool forwarded(const Candidates& candidates, std::size_t i) const {
    return scores_candidates() && (priming() || needs_forward(candidates, i));
  }
  /// What the selection forward showed of candidate i, which forwarded() was true for.
  [[nodiscard]] static float measured(const Candidates& candidates, std::size_t i) {
    GRAFT_CHECK(i < candidates.losses.size(), "no loss of example ", candidates.ids[i]);
    return candidates.losses[i];
  }
  /// P of a candidate with percentile c.
  [[nodiscard]] double probability(double c) const;
  [[nodiscard]] const Priority& priority() const { return power_.priority; }

 private:
  [[nodiscard]] bool scores_candidates() const { return power_.prime_forward || !priming(); }

  PowerOptions power_;
  std::int64_t epoch_ = 0;
};

}  // namespace graft
