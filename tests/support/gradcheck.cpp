// SPDX-License-Identifier: Apache-2.0
#include "tests/support/gradcheck.h"

#include <algorithm>
#include <cmath>

namespace graft::testing {
namespace {

double dot(const Tensors& a, const Tensors& b) {
  GRAFT_CHECK_EQ(a.size(), b.size(), "gradcheck: one gradient an input");
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    GRAFT_CHECK_EQ(a[i].shape(), b[i].shape(), "gradcheck: tensor ", i);
    for (std::int64_t j = 0; j < a[i].numel(); ++j) {
      sum += a[i].ptr<double>()[j] * b[i].ptr<double>()[j];
    }
  }
  return sum;
}

Tensors directions(const Tensors& like, std::uint64_t seed) {
  Tensors out;
  for (const Tensor& t : like) out.push_back(normal(t.shape(), seed++));
  return out;
}

Tensors moved(const Tensors& x, const Tensors& v, double step) {
  Tensors out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    Tensor t = x[i].clone(host_memory());
    for (std::int64_t j = 0; j < t.numel(); ++j) {
      t.ptr<double>()[j] += step * v[i].ptr<double>()[j];
    }
    out.push_back(t);
  }
  return out;
}

}  // namespace

double vjp_gap(const Forward& forward, const Backward& backward, const Tensors& x,
               const VjpOptions& o) {
  constexpr std::uint64_t kSeedsPerProbe = 64;  // more than any operator has tensors
  double worst = 0;
  for (int probe = 0; probe < o.probes; ++probe) {
    const std::uint64_t seed = (o.seed << 32) + 2 * kSeedsPerProbe * static_cast<unsigned>(probe);
    const Tensors v = directions(x, seed);
    const Tensors plus = forward(moved(x, v, o.eps));
    const Tensors minus = forward(moved(x, v, -o.eps));
    const Tensors u = directions(plus, seed + kSeedsPerProbe);
    const double numeric = (dot(u, plus) - dot(u, minus)) / (2 * o.eps);
    const double analytic = dot(backward(x, u), v);
    const double scale = std::max({1.0, std::abs(numeric), std::abs(analytic)});
    const double gap = std::abs(numeric - analytic) / scale;
    // Written so that NaN counts as the worst.
    if (!(gap <= worst)) worst = gap;
  }
  return worst;
}

}  // namespace graft::testing
