// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "engine/core/error.h"

namespace graft {

/// One number an example; NaN for an example that was never set. Grows with the largest id.
class ExampleValues {
 public:
  [[nodiscard]] float operator[](std::int64_t id) const {
    const auto i = static_cast<std::size_t>(id);
    return i < values_.size() ? values_[i] : std::numeric_limits<float>::quiet_NaN();
  }
  [[nodiscard]] bool known(std::int64_t id) const { return !std::isnan((*this)[id]); }
  void set(std::int64_t id, float value) {
    GRAFT_CHECK(id >= 0, "example ", id);
    const auto i = static_cast<std::size_t>(id);
    if (i >= values_.size()) values_.resize(i + 1, std::numeric_limits<float>::quiet_NaN());
    values_[i] = value;
  }

  [[nodiscard]] const std::vector<float>& values() const { return values_; }
  void restore(std::vector<float> values) { values_ = std::move(values); }

 private:
  std::vector<float> values_;
};

}  // namespace graft
