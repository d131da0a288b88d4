// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampler/score/example_values.h"
#include "sampler/select/options.h"
#include "sampler/select/selective_backprop.h"

namespace graft {

/// Which loss of an example stands in for the one that a stale epoch does not compute.
enum class StoredLoss : std::uint8_t {
  kAnyForward,     ///< of its last forward, training included, as the authors' code
  kSelectionOnly,  ///< of its last selection forward, as the thesis' text
};

/// "any_forward" or "selection_only".
[[nodiscard]] std::string_view name(StoredLoss stored);

template <>
inline constexpr std::array kAllOf<StoredLoss> = {StoredLoss::kAnyForward,
                                                  StoredLoss::kSelectionOnly};

struct StaleOptions : SelectiveBackpropOptions {
  std::int64_t staleness = 3;  ///< n: epochs from one selection forward to the next, 1: every one
  StoredLoss stored_loss = StoredLoss::kAnyForward;
  /// Trains at most one batch each five stale slices, as the authors' forward queue made it.
  bool compat_throttle = false;

  template <class V>
  void visit(V&& v) {
    SelectiveBackpropOptions::visit(v);
    v("staleness", staleness);
    v("stored_loss", stored_loss);
    v("compat_throttle", compat_throttle);
  }
  /// Throws Error(kUsage) for a value out of range.
  void check() const;

  static StaleOptions paper();
  static StaleOptions standard();
};

/// StaleSB: Selective-Backprop that forwards an example for selection in every n-th epoch only;
/// between, its stored loss decides, and enters the history again. Source: thesis section 3.4.1.
class StaleSB final : public SelectiveBackprop {
 public:
  explicit StaleSB(const StaleOptions& options);

  [[nodiscard]] std::string_view name() const override { return "stale"; }
  [[nodiscard]] Json describe() const override;
  Selection select(const Candidates& candidates) override;
  void on_training_scores(std::span<const std::int64_t> ids, const ExampleScores& scores) override;
  [[nodiscard]] SamplerState state() const override;
  void restore(const SamplerState& state) override;

 private:
  [[nodiscard]] bool needs_forward(const Candidates& candidates, std::size_t i) const override;
  std::span<const float> complete(const Candidates& candidates) override;
  void observe(const Candidates& candidates, bool priming) override;

  StaleOptions options_;
  ExampleValues loss_, scored_;  // by example: stored loss, epoch of its selection forward
  std::int64_t stale_slices_ = 0;
  std::vector<float> complete_;  // of the slice
};

}  // namespace graft
