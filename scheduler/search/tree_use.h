// SPDX-License-Identifier: Apache-2.0
// What a schedule takes after one of its applications moves, without summing everything again.
#pragma once

#include <span>
#include <vector>

#include "scheduler/search/resources.h"

namespace graft {

/// A schedule with a hole: some of its applications are taken out and may be put back elsewhere.
class TreeUse {
 public:
  explicit TreeUse(const Problem& problem);

  /// Takes the applications `moved` out of `choice`.
  void take_out(const Choice& choice, std::span<const std::size_t> moved);
  /// What the tree takes with all that were taken out at `place`.
  [[nodiscard]] Amounts with(const Placement& place) const;
  /// Whether that is within all bounds.
  [[nodiscard]] bool fits(const Amounts& use) const;

 private:
  std::vector<Resource> resources_;
  std::vector<int> levels_;        // branch points above 0
  std::vector<double> stem_rate_;  // [level]: of the fastest that shares it
  Amounts branches_{};
  double n_moved_ = 0;
};

}  // namespace graft
