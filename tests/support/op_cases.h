// SPDX-License-Identifier: Apache-2.0
// Shapes of operators: tests run them as "matches reference" and "gradient", bench as a
// measurement. The id is the name of the test, the row of the bench and the bug report.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/api/conv.h"
#include "kernels/api/norm.h"
#include "kernels/api/pool.h"

namespace graft::testing {

struct ConvCase {
  std::int64_t n, c, h, w, k, r, s;
  kernels::ConvOptions options{};
  bool bias = false;

  [[nodiscard]] std::string id() const;
  [[nodiscard]] Shape x() const { return {n, h, w, c}; }
  [[nodiscard]] Shape filter() const { return {k, r, s, c / options.groups}; }
  [[nodiscard]] Shape y() const { return kernels::conv_output_shape(options, x(), filter()); }
  /// Of one pass: forward, data gradient or weight gradient.
  [[nodiscard]] double flops() const;
  /// f32 bytes that one pass must move at least.
  [[nodiscard]] double bytes() const;
};

struct LinearCase {
  std::int64_t n, c, k;
  bool bias = true;

  [[nodiscard]] std::string id() const;
  [[nodiscard]] double flops() const { return 2.0 * static_cast<double>(n * c * k); }
  [[nodiscard]] double bytes() const;
};

/// Batch norm, or group norm where groups > 0.
struct NormCase {
  std::int64_t n, h, w, c;
  int groups = 0;
  kernels::Activation activation = kernels::Activation::kNone;
  bool residual = false;
  bool dy2 = false;  ///< the gradient of y comes in two parts
  double mean = 0;   ///< of x: far from zero it shows a variance by cancellation

  [[nodiscard]] std::string id() const;
  [[nodiscard]] Shape x() const { return {n, h, w, c}; }
  /// Elements that share their statistics.
  [[nodiscard]] std::int64_t set() const { return groups == 0 ? n * h * w : h * w * c / groups; }
  /// f32 bytes of a forward that reads x once for the statistics and once to normalise.
  [[nodiscard]] double bytes() const;
};

struct PoolCase {
  std::int64_t n, h, w, c;
  kernels::PoolOptions options{};

  [[nodiscard]] std::string id() const;
  [[nodiscard]] Shape x() const { return {n, h, w, c}; }
  [[nodiscard]] Shape y() const { return kernels::pool_output_shape(options, x()); }
  [[nodiscard]] double bytes() const;
};

/// Small shapes that cover every option and the usual edge cases; the reference runs each in
/// milliseconds.
[[nodiscard]] std::vector<ConvCase> conv_cases();
[[nodiscard]] std::vector<LinearCase> linear_cases();
[[nodiscard]] std::vector<NormCase> batch_norm_cases();
[[nodiscard]] std::vector<NormCase> group_norm_cases();
[[nodiscard]] std::vector<PoolCase> pool_cases();

/// A failing case prints its id.
template <class Case>
auto operator<<(std::ostream& out, const Case& c) -> decltype(out << c.id()) {
  return out << c.id();
}

/// Parameter name of a gtest case.
struct IdOf {
  template <class Info>
  std::string operator()(const Info& info) const {
    return info.param.id();
  }
};

}  // namespace graft::testing
