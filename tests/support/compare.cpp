// SPDX-License-Identifier: Apache-2.0
#include "tests/support/compare.h"

#include <cmath>
#include <limits>

#include "tests/support/tensors.h"

namespace graft::testing {
namespace {

constexpr double kSlack = 8;
constexpr double kEps32 = std::numeric_limits<float>::epsilon();
constexpr double kEps64 = std::numeric_limits<double>::epsilon();

double rms(const Tensor& t) {
  double sum = 0;
  std::int64_t finite = 0;
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    const double v = element(t, i);
    if (!std::isfinite(v)) continue;
    sum += v * v;
    ++finite;
  }
  return finite == 0 ? 0 : std::sqrt(sum / static_cast<double>(finite));
}

/// Error as a share of `allowed`; infinite where only one side is a number.
double share_of(double got, double want, double allowed) {
  if (got == want || (std::isnan(got) && std::isnan(want))) return 0;
  const double error = std::abs(got - want);
  if (!std::isfinite(error) || allowed == 0) return std::numeric_limits<double>::infinity();
  return error / allowed;
}

}  // namespace

double tolerance(DType dtype, double terms) {
  const double eps = dtype == DType::kF64 ? kEps64 : kEps32;
  return kSlack * eps * (1 + std::sqrt(terms));
}

std::string Comparison::text() const {
  return detail::cat(bad, "/", count, " out of tolerance; worst [", worst, "] got ", got, " want ",
                     want, " = ", 100 * share, "% of tolerance");
}

Comparison compare(const Tensor& got, const Tensor& want, double rel) {
  GRAFT_CHECK_EQ(got.shape(), want.shape());
  const double scale = rms(want);
  Comparison c;
  c.count = want.numel();
  for (std::int64_t i = 0; i < c.count; ++i) {
    const double g = element(got, i), w = element(want, i);
    const double share = share_of(g, w, rel * (std::abs(w) + scale));
    if (share > 1) ++c.bad;
    if (i == 0 || share > c.share) {
      c.worst = i;
      c.got = g;
      c.want = w;
      c.share = share;
    }
  }
  return c;
}

::testing::AssertionResult within(const Tensor& got, const Tensor& want, double rel) {
  if (got.shape() != want.shape()) {
    return ::testing::AssertionFailure()
           << "shape " << got.shape() << ", expected " << want.shape();
  }
  const Comparison c = compare(got, want, rel);
  return (c.bad == 0 ? ::testing::AssertionSuccess() : ::testing::AssertionFailure()) << c.text();
}

}  // namespace graft::testing
