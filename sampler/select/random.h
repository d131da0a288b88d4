// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampler/select/power_sampler.h"

namespace graft {

/// The control of Selective-Backprop: c is the candidate's own uniform u_score, so the selectivity
/// is the same and the loss plays no part. It still pays the selection forward.
class RandomSelection final : public PowerSampler {
 public:
  explicit RandomSelection(const PowerOptions& options);

  [[nodiscard]] std::string_view name() const override { return "random"; }
  [[nodiscard]] Json describe() const override;

 private:
  void observe(const Candidates&, bool) override {}
  [[nodiscard]] double score(const Candidates& candidates, std::size_t i) const override;

  PowerOptions options_;
};

}  // namespace graft
