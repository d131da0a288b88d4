// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/pool.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/support/gradcheck.h"
#include "tests/support/op_cases.h"
#include "tests/support/op_check.h"
#include "tests/support/refused.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

Tensor f64(const Shape& shape) { return Tensor::allocate(host_memory(), shape, DType::kF64); }

double window_terms(const PoolCase& c) {
  return static_cast<double>(c.options.window * c.options.window);
}

/// Places of the maxima of `x`.
Tensor index_of(const PoolCase& c, const Tensor& x) {
  Context ctx(Backend::kRef);
  Tensor y = f64(c.y()), index = Tensor::allocate(host_memory(), c.y(), DType::kU8);
  max_pool_fwd(ctx, c.options, x, y, index);
  return index;
}

class MaxPoolFwd : public ::testing::TestWithParam<PoolCase> {};
class MaxPoolBwd : public ::testing::TestWithParam<PoolCase> {};
class AvgPoolFwd : public ::testing::TestWithParam<PoolCase> {};
class AvgPoolBwd : public ::testing::TestWithParam<PoolCase> {};

TEST_P(MaxPoolFwd, MatchesReference) {
  const PoolCase& c = GetParam();
  expect_matches_reference({
      .in = {normal(c.x(), 1)},
      .out = {{.name = "y", .shape = c.y()},
              {.name = "index", .shape = c.y(), .dtype = DType::kU8},
              {.name = "y without index", .shape = c.y()}},
      .run =
          [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
            Tensor none;
            max_pool_fwd(ctx, c.options, in[0], out[0], out[1]);
            max_pool_fwd(ctx, c.options, in[0], out[2], none);
          },
  });
}

// After a ReLU most windows hold equal zeros: the index must be the first of them.
TEST_P(MaxPoolFwd, TakesTheFirstAmongEquals) {
  const PoolCase& c = GetParam();
  Tensor x = normal(c.x(), 2);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.ptr<double>()[i] = std::fmax(0, std::floor(x.ptr<double>()[i]));
  }
  expect_matches_reference({
      .in = {x},
      .out = {{.name = "y", .shape = c.y()},
              {.name = "index", .shape = c.y(), .dtype = DType::kU8}},
      .run = [&](Context& ctx, GradMode, const Tensors& in,
                 Tensors& out) { max_pool_fwd(ctx, c.options, in[0], out[0], out[1]); },
  });
}

TEST_P(MaxPoolFwd, BackwardMatchesFiniteDifferences) {
  const PoolCase& c = GetParam();
  Context ctx(Backend::kRef);
  Tensor index = Tensor::allocate(host_memory(), c.y(), DType::kU8);
  const auto forward = [&](const Tensors& x) -> Tensors {
    Tensor y = f64(c.y());
    max_pool_fwd(ctx, c.options, x[0], y, index);
    return {y};
  };
  const auto backward = [&](const Tensors& x, const Tensors& u) -> Tensors {
    forward(x);
    Tensor dx = f64(c.x());
    max_pool_bwd(ctx, c.options, u[0], index, GradMode::kOverwrite, dx);
    return {dx};
  };
  EXPECT_LT(vjp_gap(forward, backward, {distinct(c.x(), 1)}), 1e-6);
}

TEST_P(MaxPoolBwd, MatchesReference) {
  const PoolCase& c = GetParam();
  expect_matches_reference({
      .in = {normal(c.y(), 1), index_of(c, normal(c.x(), 2))},
      .out = {{.name = "dx", .shape = c.x(), .terms = window_terms(c)}},
      .run = [&](Context& ctx, GradMode mode, const Tensors& in,
                 Tensors& out) { max_pool_bwd(ctx, c.options, in[0], in[1], mode, out[0]); },
      .has_mode = true,
  });
}

TEST_P(AvgPoolFwd, MatchesReference) {
  const PoolCase& c = GetParam();
  expect_matches_reference({
      .in = {normal(c.x(), 1)},
      .out = {{.name = "y", .shape = c.y(), .terms = window_terms(c)}},
      .run = [&](Context& ctx, GradMode, const Tensors& in,
                 Tensors& out) { avg_pool_fwd(ctx, c.options, in[0], out[0]); },
  });
}

TEST_P(AvgPoolFwd, BackwardMatchesFiniteDifferences) {
  const PoolCase& c = GetParam();
  Context ctx(Backend::kRef);
  const auto forward = [&](const Tensors& x) -> Tensors {
    Tensor y = f64(c.y());
    avg_pool_fwd(ctx, c.options, x[0], y);
    return {y};
  };
  const auto backward = [&](const Tensors&, const Tensors& u) -> Tensors {
    Tensor dx = f64(c.x());
    avg_pool_bwd(ctx, c.options, u[0], GradMode::kOverwrite, dx);
    return {dx};
  };
  EXPECT_LT(vjp_gap(forward, backward, {normal(c.x(), 1)}), 1e-6);
}

TEST_P(AvgPoolBwd, MatchesReference) {
  const PoolCase& c = GetParam();
  expect_matches_reference({
      .in = {normal(c.y(), 1)},
      .out = {{.name = "dx", .shape = c.x(), .terms = window_terms(c)}},
      .run = [&](Context& ctx, GradMode mode, const Tensors& in,
                 Tensors& out) { avg_pool_bwd(ctx, c.options, in[0], mode, out[0]); },
      .has_mode = true,
  });
}

INSTANTIATE_TEST_SUITE_P(, MaxPoolFwd, ::testing::ValuesIn(pool_cases()), IdOf());
INSTANTIATE_TEST_SUITE_P(, MaxPoolBwd, ::testing::ValuesIn(pool_cases()), IdOf());
INSTANTIATE_TEST_SUITE_P(, AvgPoolFwd, ::testing::ValuesIn(pool_cases()), IdOf());
INSTANTIATE_TEST_SUITE_P(, AvgPoolBwd, ::testing::ValuesIn(pool_cases()), IdOf());

/// Shapes (N,H,W,C) of global pooling.
const Shape kGlobal[] = {{1, 1, 1, 5}, {3, 4, 4, 16}, {2, 7, 5, 33}, {8, 8, 8, 64}};

TEST(GlobalAvgPool, FwdMatchesReference) {
  for (const Shape& s : kGlobal) {
    expect_matches_reference({
        .in = {normal(s, 1)},
        .out = {{.name = "y", .shape = {s[0], s[3]}, .terms = static_cast<double>(s[1] * s[2])}},
        .run = [](Context& ctx, GradMode, const Tensors& in,
                  Tensors& out) { global_avg_pool_fwd(ctx, in[0], out[0]); },
    });
  }
}

TEST(GlobalAvgPool, BwdMatchesReference) {
  for (const Shape& s : kGlobal) {
    expect_matches_reference({
        .in = {normal({s[0], s[3]}, 1)},
        .out = {{.name = "dx", .shape = s}},
        .run = [](Context& ctx, GradMode mode, const Tensors& in,
                  Tensors& out) { global_avg_pool_bwd(ctx, in[0], mode, out[0]); },
        .has_mode = true,
    });
  }
}

TEST(GlobalAvgPool, BackwardMatchesFiniteDifferences) {
  Context ctx(Backend::kRef);
  for (const Shape& s : kGlobal) {
    const auto forward = [&](const Tensors& x) -> Tensors {
      Tensor y = f64({s[0], s[3]});
      global_avg_pool_fwd(ctx, x[0], y);
      return {y};
    };
    const auto backward = [&](const Tensors&, const Tensors& u) -> Tensors {
      Tensor dx = f64(s);
      global_avg_pool_bwd(ctx, u[0], GradMode::kOverwrite, dx);
      return {dx};
    };
    EXPECT_LT(vjp_gap(forward, backward, {normal(s, 1)}), 1e-6) << s;
  }
}

// Values of torch.nn.functional.avg_pool2d on an image of ones, 5x5, window 3, stride 2, pad 1, and
// of 4x4, window 3, stride 2, ceil_mode: the divisor counts padding, but not what lies beyond it.
TEST(AvgPool, DivisorFollowsTorch) {
  Context ctx(Backend::kRef);
  const auto corners = [&](const PoolOptions& o, std::int64_t extent) {
    const Tensor x = full({1, extent, extent, 1}, 1);
    Tensor y = f64(pool_output_shape(o, x.shape()));
    avg_pool_fwd(ctx, o, x, y);
    return std::pair(y.ptr<double>()[0], y.ptr<double>()[y.numel() - 1]);
  };
  EXPECT_EQ(corners({.window = 3, .stride = 2, .pad = 1}, 5), std::pair(4.0 / 9, 4.0 / 9));
  EXPECT_EQ(corners({.window = 3, .stride = 2, .pad = 1, .count_include_pad = false}, 5),
            std::pair(1.0, 1.0));
  EXPECT_EQ(corners({.window = 3, .stride = 2, .ceil_mode = true}, 4), std::pair(1.0, 1.0));
  // Last window: rows 3..5 of 4 + 1 padding: 1 pixel inside, 2x2 inside the padded input.
  EXPECT_EQ(corners({.window = 3, .stride = 2, .pad = 1, .ceil_mode = true}, 4),
            std::pair(4.0 / 9, 0.25));
}

TEST(MaxPool, IndexIsThePlaceOfTheFirstMaximumInItsWindow) {
  Context ctx(Backend::kRef);
  const PoolOptions o{.window = 3, .stride = 2, .pad = 1};
  Tensor y = f64({1, 2, 2, 1}), index = Tensor::allocate(host_memory(), {1, 2, 2, 1}, DType::kU8);
  max_pool_fwd(ctx, o, full({1, 3, 3, 1}, -1), y, index);
  const double want[] = {4, 3, 1, 0};  // the first that is not padding, as r * 3 + s
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(element(index, i), want[i]) << i;
    EXPECT_EQ(element(y, i), -1) << i;
  }
}

TEST(MaxPool, LetsNanThrough) {
  Tensor x = full({1, 2, 2, 1}, 1);
  x.ptr<double>()[2] = std::numeric_limits<double>::quiet_NaN();
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend);
    Tensor in = converted(x, DType::kF32, host_memory());
    Tensor y = Tensor::allocate(host_memory(), {1, 1, 1, 1});
    Tensor index = Tensor::allocate(host_memory(), {1, 1, 1, 1}, DType::kU8);
    max_pool_fwd(ctx, {}, in, y, index);
    EXPECT_TRUE(std::isnan(y.ptr<float>()[0])) << name(backend);
  }
}

TEST(PoolOutputShape, FollowsTorch) {
  const auto extent = [](const PoolOptions& o, std::int64_t in) {
    return pool_output_shape(o, {1, in, in, 1})[1];
  };
  EXPECT_EQ(extent({.window = 3, .stride = 2, .pad = 1}, 112), 56);
  EXPECT_EQ(extent({.window = 3, .stride = 2}, 6), 2);
  EXPECT_EQ(extent({.window = 3, .stride = 2, .ceil_mode = true}, 6), 3);
  // The window that would start in the padding below does not count.
  EXPECT_EQ(extent({.window = 2, .stride = 2, .pad = 1, .ceil_mode = true}, 5), 3);
}

TEST(Pool, RefusesWrongArguments) {
  Context ctx(Backend::kRef);
  const Tensor x = normal({1, 4, 4, 3}, 1);
  Tensor y = f64({1, 2, 2, 3}), narrow = f64({1, 2, 2, 2}), one = f64({1, 1, 1, 3});
  Tensor index = f64({1, 2, 2, 3}), none;
  EXPECT_TRUE(refused("max_pool_fwd", "index", [&] { max_pool_fwd(ctx, {}, x, y, index); }));
  EXPECT_TRUE(
      refused("max_pool_fwd", "(1, 2, 2, 2)", [&] { max_pool_fwd(ctx, {}, x, narrow, none); }));
  EXPECT_TRUE(refused("max_pool_fwd", "window", [&] {
    max_pool_fwd(ctx, {.window = 16, .stride = 16, .pad = 8}, x, one, none);
  }));
  EXPECT_TRUE(refused("max_pool_bwd", "index", [&] {
    Tensor dx = f64({1, 4, 4, 3});
    max_pool_bwd(ctx, {}, y, none, GradMode::kOverwrite, dx);
  }));
  EXPECT_TRUE(refused("avg_pool_fwd", "pad", [&] { avg_pool_fwd(ctx, {.pad = 2}, x, y); }));
  EXPECT_TRUE(refused("avg_pool_bwd", "dy", [&] {
    Tensor dx = f64({1, 4, 4, 3});
    avg_pool_bwd(ctx, {}, narrow, GradMode::kOverwrite, dx);
  }));
  EXPECT_TRUE(refused("global_avg_pool_fwd", "y", [&] { global_avg_pool_fwd(ctx, x, y); }));
  EXPECT_TRUE(refused("global_avg_pool_bwd", "dy",
                      [&] { global_avg_pool_bwd(ctx, x, GradMode::kOverwrite, y); }));
}

}  // namespace
}  // namespace graft::kernels
