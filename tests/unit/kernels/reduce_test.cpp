// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/reduce.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/support/device.h"
#include "tests/support/refused.h"
#include "tests/support/tensors.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

TEST(SumSquares, OnCudaMatchesReference) {
  const auto ctx = cuda_context();
  GRAFT_SKIP_WITHOUT(ctx);
  for (const std::int64_t n : {1, 7, 16, 1000, 100003}) {
    const Tensor x = normal({n}, 1);
    Context ref(Backend::kRef);
    const double want = sum_squares(ref, x);
    const Tensor f32 = converted(x, DType::kF32, host_memory());
    Tensor there = Tensor::allocate(ctx->memory(), {n});
    copy_from_host(*ctx, f32.data(), there);
    EXPECT_NEAR(sum_squares(*ctx, there), want, 1e-12 * want) << n;
  }
}

TEST(SumSquares, OnTheHostEqualsReference) {
  for (const std::int64_t n : {1, 7, 16, 1000, 100003}) {
    const Tensor x = normal({n}, 1);
    Context ref(Backend::kRef);
    const double want = sum_squares(ref, x);
    for (const int threads : {1, 2}) {
      Context ctx(Backend::kCpu, threads);
      const Tensor f32 = converted(x, DType::kF32, host_memory());
      const double got = sum_squares(ctx, f32);
      // Accumulated in f64: the squares of f32 values are exact.
      EXPECT_NEAR(got, want, 1e-12 * want) << n;
      EXPECT_EQ(got, sum_squares(ctx, f32)) << n;
    }
  }
}

TEST(SumSquares, IsExactForSmallIntegers) {
  Context ctx(Backend::kRef);
  Tensor x = full({3}, 2);
  x.ptr<double>()[1] = -5;
  EXPECT_EQ(sum_squares(ctx, x), 33);
}

TEST(SumSquares, DoesNotOverflowInF32) {
  Context ctx(Backend::kCpu);
  const Tensor x = converted(full({40}, 1e30), DType::kF32, host_memory());
  EXPECT_NEAR(sum_squares(ctx, x) / 40e60, 1, 1e-6);
}

TEST(SumSquares, ShowsEveryNonFiniteElement) {
  constexpr std::int64_t kCount = 67;
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend, 2);
    for (std::int64_t at = 0; at < kCount; ++at) {
      Tensor x = converted(full({kCount}, 1), DType::kF32, host_memory());
      x.ptr<float>()[at] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(std::isnan(sum_squares(ctx, x))) << at;
      x.ptr<float>()[at] = -std::numeric_limits<float>::infinity();
      EXPECT_TRUE(std::isinf(sum_squares(ctx, x))) << at;
    }
  }
}

TEST(SumSquares, OfNothingIsZero) {
  Context ctx(Backend::kCpu);
  EXPECT_EQ(sum_squares(ctx, Tensor::allocate(host_memory(), {0})), 0);
}

TEST(SumSquares, RefusesIntegers) {
  Context ctx(Backend::kRef);
  EXPECT_TRUE(refused("sum_squares", "i32", [&] { (void)sum_squares(ctx, labels(3, 4, 1)); }));
}

}  // namespace
}  // namespace graft::kernels
