// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "sampler/score/loss_history.h"
#include "sampler/select/power_sampler.h"

namespace graft {

struct SelectiveBackpropOptions : PowerOptions {
  std::int64_t history = 1024;      ///< R: losses that a percentile is taken over
  Ties tie = Ties::kMid;            ///< how equal losses count
  bool include_self = true;         ///< whether an example is in the window it is compared with
  bool prime_feeds_history = true;  ///< whether losses seen while priming enter the window

  template <class V>
  void visit(V&& v) {
    PowerOptions::visit(v);
    v("R", history);
    v("tie", tie);
    v("include_self", include_self);
    v("prime_feeds_history", prime_feeds_history);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check() const;

  static SelectiveBackpropOptions paper();
  static SelectiveBackpropOptions standard();
};

/// All that decides who is drawn while the window of losses is full.
struct PercentileRule {
  int tie = 1;                      ///< halves that an equal loss counts
  bool include_self = true;         ///< whether a loss is in the window it is compared with
  std::vector<double> probability;  ///< by halves: entry 2a + tie * b for a loss above a and equal
                                    ///< to b others; 2R + 1 of them
};

/// Selective-Backprop: c is the percentile of a candidate's loss among the last R losses, into
/// which the whole slice is pushed before any of it is scored. Source: Jiang et al., "Accelerating
/// Deep Learning by Focusing on the Biggest Losers", 2019.
class SelectiveBackprop : public PowerSampler {
 public:
  explicit SelectiveBackprop(const SelectiveBackpropOptions& options);

  [[nodiscard]] std::string_view name() const override { return "sb"; }
  [[nodiscard]] Json describe() const override;
  [[nodiscard]] SamplerState state() const override;
  void restore(const SamplerState& state) override;

  [[nodiscard]] const LossHistory& history() const { return history_; }
  /// How select() draws from now on in this epoch, weights 1, if that is all there is to it: the
  /// window is full, nothing is primed and nothing reweighted.
  [[nodiscard]] std::optional<PercentileRule> percentile_rule() const;

 protected:
  /// Throws Error(kConfig) if a slice is longer than the window.
  void observe(const Candidates& candidates, bool priming) override;
  /// c of a loss.
  [[nodiscard]] double percentile(float loss) const;

 private:
  [[nodiscard]] double score(const Candidates& candidates, std::size_t i) const final;

  SelectiveBackpropOptions options_;
  LossHistory history_;
};

}  // namespace graft
