// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampler/select/sampler.h"

namespace graft {

/// Trains every example once an epoch, without a selection forward.
class Traditional final : public Sampler {
 public:
  [[nodiscard]] std::string_view name() const override { return "traditional"; }
  [[nodiscard]] Json describe() const override;
};

}  // namespace graft
