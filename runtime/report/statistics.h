// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace graft::report {

/// A quantity over the seeds of one configuration.
struct SeedSummary {
  std::int64_t n = 0;
  double mean = 0;
  double sd = 0;          ///< of one run, with n - 1; 0 for n < 2
  double half_width = 0;  ///< of the 95 % interval of the mean (Student t); 0 for n < 2
};

/// Values that are not finite are left out.
[[nodiscard]] SeedSummary summarize(std::span<const double> values);

/// Bounds of a share in [0, 1].
struct ShareInterval {
  double low = 0, high = 1;
};

/// Wilson's 95 % interval of a binomial share, `successes` of `n`; [0, 1] for n = 0. Source: Wilson
/// 1927.
[[nodiscard]] ShareInterval wilson_95(std::int64_t successes, std::int64_t n);

/// The t with P(|T| <= t) = 0.95 at `degrees` >= 1 degrees of freedom. Absolute error below 1e-6.
[[nodiscard]] double student_t_95(std::int64_t degrees);

/// `count` >= 2 evenly spaced quantiles of `values`, from the smallest to the largest, interpolated
/// linearly; empty for no values. What the record "loss_cdf" holds.
[[nodiscard]] std::vector<double> quantiles(std::span<const float> values,
                                            std::int64_t count = 101);

/// The middle value, or the mean of the two in the middle; NaN for no values.
[[nodiscard]] double median(std::vector<double> values);

}  // namespace graft::report
