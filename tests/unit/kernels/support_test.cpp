// SPDX-License-Identifier: Apache-2.0
// The checks that check everything else: each must see the mistake that it is for.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "kernels/api/norm.h"
#include "kernels/api/pointwise.h"
#include "tests/support/compare.h"
#include "tests/support/gradcheck.h"
#include "tests/support/op_cases.h"
#include "tests/support/op_check.h"
#include "tests/support/refused.h"

namespace graft::testing {
namespace {

using kernels::GradMode;

/// y = x^2 element by element; its gradient is 2x, times `factor`.
double gap_of_square(double factor) {
  const auto map = [](const Tensor& t, auto&& f) {
    Tensor out = Tensor::allocate(host_memory(), t.shape(), DType::kF64);
    for (std::int64_t i = 0; i < t.numel(); ++i) out.ptr<double>()[i] = f(i);
    return out;
  };
  const auto forward = [&](const Tensors& x) -> Tensors {
    return {map(x[0], [&](auto i) { return element(x[0], i) * element(x[0], i); })};
  };
  const auto backward = [&](const Tensors& x, const Tensors& u) -> Tensors {
    return {map(x[0], [&](auto i) { return factor * 2 * element(x[0], i) * element(u[0], i); })};
  };
  return vjp_gap(forward, backward, {normal({30}, 1)});
}

TEST(Gradcheck, AcceptsTheRightGradientAndSeesAWrongOne) {
  EXPECT_LT(gap_of_square(1), 1e-8);
  EXPECT_GT(gap_of_square(1.001), 1e-4);
  EXPECT_GT(gap_of_square(-1), 0.1);
  EXPECT_TRUE(std::isnan(gap_of_square(std::nan(""))));
}

// The classic mistake: batch norm's backward without the terms through the statistics.
TEST(Gradcheck, SeesMissingCrossTermsOfBatchNorm) {
  Context ctx(Backend::kRef);
  const Shape s = {4, 3, 3, 2};
  const Tensor one = full({2}, 1), zero = full({2}, 0), none;
  Tensor mean = one.clone(host_memory()), inv_std = one.clone(host_memory());
  const auto forward = [&](const Tensors& x) -> Tensors {
    Tensor y = x[0].clone(host_memory()), rm = zero.clone(host_memory()),
           rv = one.clone(host_memory());
    kernels::batch_norm_fwd_train(ctx, {}, x[0], one, zero, none, rm, rv, mean, inv_std, y);
    return {y};
  };
  const auto gap = [&](kernels::NormStats stats) {
    const auto backward = [&](const Tensors& x, const Tensors& u) -> Tensors {
      forward(x);
      const kernels::NormBackward args{.x = x[0],
                                       .y = none,
                                       .gamma = one,
                                       .beta = zero,
                                       .mean = mean,
                                       .inv_std = inv_std,
                                       .dy = u[0],
                                       .dy2 = none,
                                       .param_mode = GradMode::kSkip};
      Tensor dx = x[0].clone(host_memory()), dresidual, dgamma, dbeta;
      kernels::batch_norm_bwd(ctx, {}, stats, args, dx, dresidual, dgamma, dbeta);
      return {dx};
    };
    return vjp_gap(forward, backward, {normal(s, 1)});
  };
  EXPECT_LT(gap(kernels::NormStats::kBatch), 1e-7);
  EXPECT_GT(gap(kernels::NormStats::kRunning), 1e-2);
}

TEST(Compare, FollowsItsRule) {
  Tensor want = full({4}, 1), got = full({4}, 1);
  EXPECT_TRUE(within(got, want, 0));
  got.ptr<double>()[2] = 1.25;  // rms 1: allowed 2 * rel
  EXPECT_TRUE(within(got, want, 0.126));
  EXPECT_FALSE(within(got, want, 0.124));
  const Comparison c = compare(got, want, 0.25);
  EXPECT_EQ(c.worst, 2);
  EXPECT_EQ(c.bad, 0);
  EXPECT_DOUBLE_EQ(c.share, 0.5);
  EXPECT_EQ(c.text(), "0/4 out of tolerance; worst [2] got 1.25 want 1 = 50% of tolerance");
}

TEST(Compare, CountsNonFiniteAsBad) {
  Tensor want = full({3}, 1), got = full({3}, 1);
  got.ptr<double>()[1] = std::nan("");
  EXPECT_EQ(compare(got, want, 1e9).bad, 1);
  EXPECT_EQ(compare(want, got, 1e9).bad, 1);
  EXPECT_EQ(compare(got, got, 0).bad, 0);
  got.ptr<double>()[1] = std::numeric_limits<double>::infinity();
  EXPECT_EQ(compare(got, want, 1e9).bad, 1);
}

TEST(Compare, ToleranceGrowsWithTheSum) {
  EXPECT_DOUBLE_EQ(tolerance(DType::kF32, 0), 8 * 0x1p-23);
  EXPECT_DOUBLE_EQ(tolerance(DType::kF32, 9), 32 * 0x1p-23);
  EXPECT_DOUBLE_EQ(tolerance(DType::kF64, 9), 32 * 0x1p-52);
}

/// What expect_matches_reference says about an operator on 4 values.
template <class F>
std::string complaints(bool has_mode, F&& f) {
  ::testing::TestPartResultArray results;
  {
    const ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &results);
    expect_matches_reference({.in = {full({4}, 1)},
                              .out = {{.name = "y", .shape = {4}}},
                              .run = [&](Context& ctx, GradMode mode, const Tensors& in,
                                         Tensors& out) { f(ctx, mode, in, out); },
                              .has_mode = has_mode});
  }
  std::string all;
  for (int i = 0; i < results.size(); ++i) all += results.GetTestPartResult(i).message();
  return all;
}

void correct(Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
  kernels::activation_bwd(ctx, kernels::Activation::kNone, in[0], in[0], mode, out[0]);
}

bool has(const std::string& text, const char* part) { return text.find(part) != text.npos; }

/// Adds `by` to element `i` of a tensor of any floating type.
void add(const Tensor& t, std::int64_t i, double by) {
  dispatch_float(t.dtype(), "add", [&]<class T>(std::type_identity<T>) {
    T& value = t.view<T>().data[i];
    value = static_cast<T>(static_cast<double>(value) + by);
  });
}

TEST(OpCheck, AcceptsACorrectOperator) { EXPECT_EQ(complaints(true, correct), ""); }

TEST(OpCheck, SeesAWrongValueOfOneBackend) {
  const std::string said =
      complaints(false, [](Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
        correct(ctx, mode, in, out);
        if (ctx.backend() == Backend::kCpu) add(out[0], 3, 1e-4);
      });
  EXPECT_TRUE(has(said, "1/4 out of tolerance; worst [3]")) << said;
  EXPECT_FALSE(has(said, "y, ref")) << said;
}

TEST(OpCheck, SeesAnElementThatNobodyWrote) {
  EXPECT_TRUE(has(complaints(false,
                             [](Context& ctx, GradMode, const Tensors&, Tensors& out) {
                               if (ctx.backend() == Backend::kRef) return fill_zero(ctx, out[0]);
                             }),
                  "4/4 out of tolerance"));
}

TEST(OpCheck, SeesWritesOutsideATensor) {
  for (const std::int64_t at : {-1, 4}) {
    EXPECT_TRUE(has(complaints(false,
                               [&](Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
                                 correct(ctx, mode, in, out);
                                 std::memset(static_cast<std::byte*>(out[0].data()) +
                                                 at * static_cast<int>(size_of(out[0].dtype())),
                                             0, 1);
                               }),
                    "wrote outside a tensor"))
        << at;
  }
}

TEST(OpCheck, SeesAChangedInput) {
  EXPECT_TRUE(has(complaints(false,
                             [](Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
                               correct(ctx, mode, in, out);
                               add(in[0], 0, 1);
                             }),
                  "input 0 was changed"));
}

TEST(OpCheck, SeesResultsThatDoNotRepeat) {
  int calls = 0;
  EXPECT_TRUE(has(complaints(false,
                             [&](Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
                               correct(ctx, mode, in, out);
                               add(out[0], 0, ++calls * 1e-7);
                             }),
                  "not repeatable"));
}

TEST(OpCheck, SeesModesThatAreIgnored) {
  const std::string said =
      complaints(true, [](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
        correct(ctx, GradMode::kOverwrite, in, out);
      });
  EXPECT_TRUE(has(said, "mode=accumulate")) << said;
  EXPECT_TRUE(has(said, "touched")) << said;
}

TEST(Refused, WantsTheCodeTheOperatorAndTheDetail) {
  const auto thrower = [](Errc code, const char* text) { return [=] { fail(code, text); }; };
  EXPECT_TRUE(refused("op", "got 3", thrower(Errc::kInvalidArgument, "op: x, got 3")));
  EXPECT_FALSE(refused("op", "got 3", thrower(Errc::kInternal, "op: x, got 3")));
  EXPECT_FALSE(refused("op", "got 3", thrower(Errc::kInvalidArgument, "other: x, got 3")));
  EXPECT_FALSE(refused("op", "got 3", thrower(Errc::kInvalidArgument, "op: x, got 4")));
  EXPECT_FALSE(refused("op", "", [] {}));
}

// bench and bug reports address cases by id.
TEST(OpCases, IdsAreUnique) {
  const auto unique = [](const auto& cases) {
    std::vector<std::string> ids;
    for (const auto& c : cases) ids.push_back(c.id());
    std::sort(ids.begin(), ids.end());
    return std::adjacent_find(ids.begin(), ids.end()) == ids.end();
  };
  EXPECT_TRUE(unique(conv_cases()));
  EXPECT_TRUE(unique(linear_cases()));
  EXPECT_TRUE(unique(batch_norm_cases()));
  EXPECT_TRUE(unique(group_norm_cases()));
  EXPECT_TRUE(unique(pool_cases()));
}

TEST(OpCases, CountFlops) {
  // The 3x3 stem of a CIFAR ResNet: 2 * 32 * 32 * 16 * 27.
  const ConvCase stem{1, 3, 32, 32, 16, 3, 3, kernels::ConvOptions::same_sides(1, 1)};
  EXPECT_EQ(stem.flops(), 884736);
  EXPECT_EQ(stem.bytes(), 4 * (3072 + 432 + 16384));
  EXPECT_EQ(stem.id(), "n1_c3_h32_w32_k16_r3_s1_p1");
}

}  // namespace
}  // namespace graft::testing
