// SPDX-License-Identifier: Apache-2.0
// Acceptance test A38 of the specification's section 7.6 on one batch norm: statistics over the
// candidates F, gradient wanted of the losses of the selected S.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "kernels/api/norm.h"
#include "tests/support/compare.h"
#include "tests/support/gradcheck.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

const Shape kCandidates = {6, 4, 5, 16};
const Shape kChannels = {16};
constexpr std::int64_t kSelected = 2;  // rows 0 and 1

const Tensor kNone;

Tensor f64(const Shape& shape) { return Tensor::allocate(host_memory(), shape, DType::kF64); }

/// x, gamma, beta.
Tensors inputs() {
  return {normal(kCandidates, 1, 1.5, 3), normal(kChannels, 2, 2, 1), normal(kChannels, 3)};
}

/// A batch norm that has run forward on all candidates.
struct CandidateBatch {
  Context ctx{Backend::kRef};
  Tensor x, gamma, beta, y, mean, inv_std;

  explicit CandidateBatch(const Tensors& in)
      : x(in[0]),
        gamma(in[1]),
        beta(in[2]),
        y(f64(x.shape())),
        mean(f64(kChannels)),
        inv_std(f64(kChannels)) {
    Tensor running_mean = full(kChannels, 0), running_var = full(kChannels, 1);
    batch_norm_fwd_train(ctx, {}, x, gamma, beta, kNone, running_mean, running_var, mean, inv_std,
                         y);
  }
  /// {dx, dgamma, dbeta} from the first dy.shape()[0] rows.
  [[nodiscard]] Tensors backward(NormStats stats, const Tensor& dy) {
    const Tensor rows = x.rows(0, dy.shape()[0]);
    Tensors g = {f64(rows.shape()), f64(kChannels), f64(kChannels)};
    Tensor none;
    batch_norm_bwd(ctx, {}, stats,
                   {.x = rows,
                    .y = kNone,
                    .gamma = gamma,
                    .beta = beta,
                    .mean = mean,
                    .inv_std = inv_std,
                    .dy = dy,
                    .dy2 = kNone},
                   g[0], none, g[1], g[2]);
    return g;
  }
};

/// `part` in the first rows, zeros behind.
Tensor with_zero_rows(const Tensor& part) {
  Tensor whole = Tensor::zeros(host_memory(), kCandidates, DType::kF64);
  std::copy_n(part.ptr<const double>(), part.numel(), whole.ptr<double>());
  return whole;
}

TEST(BatchNormSubset, A38_ExactCandidateStatisticsGiveDroppedRowsAGradient) {
  CandidateBatch f(inputs());
  const Tensor dy = with_zero_rows(normal(kCandidates.with_batch(kSelected), 9));
  const Tensor dx = f.backward(NormStats::kBatch, dy)[0];
  double kept = 0, dropped = 0;
  for (std::int64_t i = 0; i < dx.numel(); ++i) {
    (i < kSelected * dx.shape().row_numel() ? kept : dropped) += std::abs(element(dx, i));
  }
  EXPECT_GT(dropped, 0.1 * kept);
}

TEST(BatchNormSubset, A38_FiniteDifferencesAgreeWithDenseAndNotWithRowSparse) {
  const auto selected = [](const Tensors& in) -> Tensors {
    return {CandidateBatch(in).y.rows(0, kSelected).clone(host_memory())};
  };
  const auto dense = [](const Tensors& in, const Tensors& u) {
    return CandidateBatch(in).backward(NormStats::kBatch, with_zero_rows(u[0]));
  };
  const auto sparse = [](NormStats stats) {
    return [stats](const Tensors& in, const Tensors& u) {
      Tensors g = CandidateBatch(in).backward(stats, u[0]);
      g[0] = with_zero_rows(g[0]);
      return g;
    };
  };
  EXPECT_LT(vjp_gap(selected, dense, inputs()), 1e-6);
  for (const NormStats stats : {NormStats::kRunning, NormStats::kBatch, NormStats::kSubset}) {
    EXPECT_GT(vjp_gap(selected, sparse(stats), inputs()), 1e-2);
  }
}

/// Worst |sum dx| and |sum dx * xhat| of a channel as shares of its sum |dx|.
double leftover(const Tensor& x, const Tensor& mean, const Tensor& inv_std, const Tensor& dx) {
  const std::int64_t c = mean.numel();
  double worst = 0;
  for (std::int64_t j = 0; j < c; ++j) {
    double sum = 0, sum_xhat = 0, size = 0;
    for (std::int64_t i = j; i < dx.numel(); i += c) {
      const double g = element(dx, i);
      sum += g;
      sum_xhat += g * (element(x, i) - element(mean, j)) * element(inv_std, j);
      size += std::abs(g);
    }
    worst = std::max({worst, std::abs(sum) / size, std::abs(sum_xhat) / size});
  }
  return worst;
}

TEST(BatchNormSubset, A38_RegressionLeavesNoSums) {
  const Shape shape = {24, 4, 5, 16};
  const auto f32 = [](const Tensor& t) { return converted(t, DType::kF32, host_memory()); };
  const Tensors in = {f32(normal(shape, 1, 1.5, 3)), f32(normal(kChannels, 2, 2, 1)),
                      f32(normal(kChannels, 3))};
  // Statistics that are not these rows', and a mask and a residual as networks have them.
  const Tensor mean = f32(normal(kChannels, 4, 0.5, 3)),
               inv_std = f32(uniform(kChannels, 5, 0.5, 1));
  const Tensor y = f32(normal(shape, 6)), dy = f32(normal(shape, 7));
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend, 2);
    const auto dx_of = [&](NormStats stats) {
      Tensor dx = Tensor::zeros(host_memory(), shape),
             dresidual = Tensor::zeros(host_memory(), shape);
      Tensor dgamma = Tensor::zeros(host_memory(), kChannels), dbeta = dgamma.clone(host_memory());
      batch_norm_bwd(ctx, {.activation = Activation::kRelu}, stats,
                     {.x = in[0],
                      .y = y,
                      .gamma = in[1],
                      .beta = in[2],
                      .mean = mean,
                      .inv_std = inv_std,
                      .dy = dy,
                      .dy2 = kNone,
                      .has_residual = true,
                      .dresidual_mode = GradMode::kOverwrite},
                     dx, dresidual, dgamma, dbeta);
      return dx;
    };
    EXPECT_LT(leftover(in[0], mean, inv_std, dx_of(NormStats::kSubset)), 1e-5) << name(backend);
    EXPECT_GT(leftover(in[0], mean, inv_std, dx_of(NormStats::kBatch)), 1e-3);
    EXPECT_GT(leftover(in[0], mean, inv_std, dx_of(NormStats::kRunning)), 1e-3);
  }
}

TEST(BatchNormSubset, A38_RegressionOverAllRowsIsBatchStatistics) {
  CandidateBatch f(inputs());
  const Tensor dy = normal(kCandidates, 9);
  const Tensors all = f.backward(NormStats::kSubset, dy), batch = f.backward(NormStats::kBatch, dy);
  // xhat's second moment is var / (var + eps), with var about 2.
  for (std::size_t k = 0; k < all.size(); ++k) {
    EXPECT_TRUE(within(all[k], batch[k], 2 * BatchNormOptions{}.eps));
  }
}

TEST(BatchNormSubset, RegressionOnOneValueTakesTheMean) {
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend);
    const auto f32 = [](const Shape& s, double v) {
      return converted(full(s, v), DType::kF32, host_memory());
    };
    const Shape shape = {2, 1, 1, 1};
    const Tensor x = f32(shape, 3), one = f32({1}, 1), zero = f32({1}, 0);
    Tensor dy = f32(shape, 2), dx = f32(shape, 7), dgamma = f32({1}, 0), dbeta = f32({1}, 0), none;
    dy.ptr<float>()[1] = 4;
    batch_norm_bwd(ctx, {}, NormStats::kSubset,
                   {.x = x,
                    .y = kNone,
                    .gamma = one,
                    .beta = zero,
                    .mean = zero,
                    .inv_std = one,
                    .dy = dy,
                    .dy2 = kNone},
                   dx, none, dgamma, dbeta);
    EXPECT_EQ(dx.ptr<float>()[0], -1);
    EXPECT_EQ(dx.ptr<float>()[1], 1);
  }
}

}  // namespace
}  // namespace graft::kernels
