// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampler/search/search.h"

namespace graft {

/// Asynchronous successive halving: random functions are trained with budget / eta^(rungs-1); of
/// those that have finished a rung, the best 1/eta go on to eta times the budget.
/// Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, Alg. 2.
class AshaSearch final : public Search {
 public:
  explicit AshaSearch(const SearchOptions& options) : Search(options) {}
  [[nodiscard]] std::string_view name() const override { return "asha"; }

 private:
  [[nodiscard]] std::optional<Trial> next() const override;
  /// Total cost units of a trial at the end of `rung`, 0 based.
  [[nodiscard]] double rung_budget(std::int64_t rung) const;
  /// The best of `rung` that may go on and has not yet.
  [[nodiscard]] std::optional<Trial> promotion(std::int64_t rung) const;
};

}  // namespace graft
