// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "engine/core/error.h"

namespace graft::report {
namespace {

/// P(|T| <= t): the finite series for whole degrees of freedom.
/// Source: Abramowitz & Stegun, 26.7.3 and 26.7.4.
double probability_within(double t, std::int64_t degrees) {
  const double theta = std::atan(t / std::sqrt(static_cast<double>(degrees)));
  const double cos2 = std::cos(theta) * std::cos(theta);
  const bool odd = degrees % 2 == 1;
  double term = odd ? std::cos(theta) : 1.0;
  double sum = degrees == 1 ? 0.0 : term;
  for (std::int64_t k = odd ? 2 : 1; k <= degrees - 3; k += 2) {
    term *= cos2 * static_cast<double>(k) / static_cast<double>(k + 1);
    sum += term;
  }
  if (odd) return 2 / std::numbers::pi * (theta + std::sin(theta) * sum);
  return std::sin(theta) * sum;
}

}  // namespace

ShareInterval wilson_95(std::int64_t successes, std::int64_t n) {
  GRAFT_CHECK(successes >= 0 && successes <= n, successes, " of ", n);
  if (n == 0) return {};
  constexpr double kZ = 1.959963984540054;  // normal quantile of 0.975
  const auto trials = static_cast<double>(n);
  const double share = static_cast<double>(successes) / trials;
  const double shrink = 1 + kZ * kZ / trials;
  const double centre = (share + kZ * kZ / (2 * trials)) / shrink;
  const double half =
      kZ / shrink * std::sqrt(share * (1 - share) / trials + kZ * kZ / (4 * trials * trials));
  // The bounds of 0 and of n successes are exact; rounding must not leave them beside the share.
  return {successes == 0 ? 0 : std::max(0.0, centre - half),
          successes == n ? 1 : std::min(1.0, centre + half)};
}

double student_t_95(std::int64_t degrees) {
  GRAFT_CHECK(degrees >= 1, degrees, " degrees of freedom");
  double low = 1, high = 13;  // t is 12.706 at one degree and falls towards 1.960
  while (high - low > 1e-9) {
    const double middle = (low + high) / 2;
    (probability_within(middle, degrees) < 0.95 ? low : high) = middle;
  }
  return (low + high) / 2;
}

SeedSummary summarize(std::span<const double> values) {
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite),
               [](double v) { return std::isfinite(v); });
  SeedSummary out{.n = std::ssize(finite)};
  if (finite.empty()) return out;
  const auto n = static_cast<double>(finite.size());
  out.mean = std::accumulate(finite.begin(), finite.end(), 0.0) / n;
  if (finite.size() < 2) return out;
  double squares = 0;
  for (const double v : finite) squares += (v - out.mean) * (v - out.mean);
  out.sd = std::sqrt(squares / (n - 1));
  out.half_width = student_t_95(out.n - 1) * out.sd / std::sqrt(n);
  return out;
}

std::vector<double> quantiles(std::span<const float> values, std::int64_t count) {
  GRAFT_CHECK(count >= 2, count, " quantiles");
  std::vector<double> out;
  if (values.empty()) return out;
  std::vector<float> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  for (std::int64_t i = 0; i < count; ++i) {
    const double at = static_cast<double>(i) * static_cast<double>(sorted.size() - 1) /
                      static_cast<double>(count - 1);
    const auto below = static_cast<std::size_t>(at);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    const double share = at - static_cast<double>(below);
    out.push_back((1 - share) * double{sorted[below]} + share * double{sorted[above]});
  }
  return out;
}

double median(std::vector<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace graft::report
