// SPDX-License-Identifier: Apache-2.0
// The one tolerance rule: |got - want| <= rel * (|want| + rms(want)).
#pragma once

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "engine/tensor/tensor.h"

namespace graft::testing {

/// rel for results stored as `dtype` (f32 or f64) and summed in it over `terms` terms:
/// 8 * eps(dtype) * (1 + sqrt(terms)).
[[nodiscard]] double tolerance(DType dtype, double terms);

struct Comparison {
  std::int64_t count = 0;
  std::int64_t bad = 0;    ///< elements out of tolerance; NaN against a number is
  std::int64_t worst = 0;  ///< index of the worst element
  double got = 0, want = 0;
  double share = 0;  ///< its error divided by its tolerance

  /// "0/1024 out of tolerance; worst [60] got -91.0023 want -91.0028 = 7% of tolerance"
  [[nodiscard]] std::string text() const;
};

/// Element by element; shapes must agree, dtypes may differ.
[[nodiscard]] Comparison compare(const Tensor& got, const Tensor& want, double rel);

/// For EXPECT_TRUE: compare() found nothing out of tolerance.
[[nodiscard]] ::testing::AssertionResult within(const Tensor& got, const Tensor& want, double rel);

}  // namespace graft::testing
