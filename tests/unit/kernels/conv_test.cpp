// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/conv.h"

#include <gtest/gtest.h>

#include "tests/support/gradcheck.h"
#include "tests/support/op_cases.h"
#include "tests/support/op_check.h"
#include "tests/support/refused.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

const Tensor kNone;

Tensor f64(const Shape& shape) { return Tensor::allocate(host_memory(), shape, DType::kF64); }

Tensor bias_of(const ConvCase& c) { return c.bias ? normal({c.k}, 3) : Tensor(); }

/// Terms of the sum behind one element of y, dx and dw.
double terms_y(const ConvCase& c) {
  return static_cast<double>(c.r * c.s * c.c / c.options.groups);
}
double terms_dx(const ConvCase& c) {
  return static_cast<double>(c.r * c.s * c.k / c.options.groups);
}
double terms_dw(const ConvCase& c) { return static_cast<double>(c.n * c.y()[1] * c.y()[2]); }

class ConvFwd : public ::testing::TestWithParam<ConvCase> {};
class ConvBwdData : public ::testing::TestWithParam<ConvCase> {};
class ConvBwdWeight : public ::testing::TestWithParam<ConvCase> {};

TEST_P(ConvFwd, MatchesReference) {
  const ConvCase& c = GetParam();
  // w_version 1: the backend may keep its own copy of the weights between the runs.
  expect_matches_reference({
      .in = {normal(c.x(), 1), normal(c.filter(), 2), bias_of(c)},
      .out = {{.name = "y", .shape = c.y(), .terms = terms_y(c)}},
      .run =
          [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
            conv_fwd(ctx, c.options, in[0], in[1], in[2], /*w_version=*/1, out[0]);
          },
  });
}

TEST_P(ConvFwd, FusedMatchesReference) {
  const ConvCase& c = GetParam();
  for (const Activation act : {Activation::kNone, Activation::kRelu6}) {
    for (const bool has_residual : {false, true}) {
      const Tensor residual = has_residual ? normal(c.y(), 4) : Tensor();
      expect_matches_reference({
          .in = {normal(c.x(), 1), normal(c.filter(), 2), bias_of(c), residual},
          .out = {{.name = "y", .shape = c.y(), .terms = terms_y(c)}},
          .run =
              [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
                conv_fused_fwd(ctx, c.options, act, in[0], in[1], in[2], in[3], /*w_version=*/1,
                               out[0]);
              },
      });
    }
  }
}

TEST_P(ConvBwdData, MatchesReference) {
  const ConvCase& c = GetParam();
  expect_matches_reference({
      .in = {normal(c.y(), 1), normal(c.filter(), 2)},
      .out = {{.name = "dx", .shape = c.x(), .terms = terms_dx(c)}},
      .run =
          [&](Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
            conv_bwd_data(ctx, c.options, in[0], in[1], /*w_version=*/1, mode, out[0]);
          },
      .has_mode = true,
  });
}

TEST_P(ConvBwdWeight, MatchesReference) {
  const ConvCase& c = GetParam();
  OpSpec spec{
      .in = {normal(c.x(), 1), normal(c.y(), 2)},
      .out = {{.name = "dw", .shape = c.filter(), .terms = terms_dw(c)}},
      .run =
          [&](Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
            Tensor none;
            conv_bwd_weight(ctx, c.options, in[0], in[1], mode, out[0], c.bias ? out[1] : none);
          },
      .has_mode = true,
  };
  if (c.bias) spec.out.push_back({.name = "dbias", .shape = {c.k}, .terms = terms_dw(c)});
  expect_matches_reference(spec);
}

TEST_P(ConvFwd, BackwardMatchesFiniteDifferences) {
  const ConvCase& c = GetParam();
  Context ctx(Backend::kRef);
  const auto forward = [&](const Tensors& x) -> Tensors {
    Tensor y = f64(c.y());
    conv_fwd(ctx, c.options, x[0], x[1], c.bias ? x[2] : kNone, 0, y);
    return {y};
  };
  const auto backward = [&](const Tensors& x, const Tensors& u) -> Tensors {
    Tensors g = {f64(c.x()), f64(c.filter())};
    Tensor dbias = c.bias ? f64({c.k}) : Tensor();
    conv_bwd_data(ctx, c.options, u[0], x[1], 0, GradMode::kOverwrite, g[0]);
    conv_bwd_weight(ctx, c.options, x[0], u[0], GradMode::kOverwrite, g[1], dbias);
    if (c.bias) g.push_back(dbias);
    return g;
  };
  Tensors x = {normal(c.x(), 1), normal(c.filter(), 2)};
  if (c.bias) x.push_back(bias_of(c));
  EXPECT_LT(vjp_gap(forward, backward, x, {.probes = 4}), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(, ConvFwd, ::testing::ValuesIn(conv_cases()), IdOf());
INSTANTIATE_TEST_SUITE_P(, ConvBwdData, ::testing::ValuesIn(conv_cases()), IdOf());
INSTANTIATE_TEST_SUITE_P(, ConvBwdWeight, ::testing::ValuesIn(conv_cases()), IdOf());

// A hand-made value: the definition itself, not one implementation against another.
TEST(Conv, IsCrossCorrelation) {
  Context ctx(Backend::kRef);
  Tensor x = f64({1, 2, 3, 1}), w = f64({1, 1, 2, 1}), y = f64({1, 2, 2, 1});
  for (int i = 0; i < 6; ++i) x.ptr<double>()[i] = i;
  w.ptr<double>()[0] = 10;
  w.ptr<double>()[1] = 1;
  conv_fwd(ctx, {}, x, w, full({1}, 0.5), 0, y);
  const double want[] = {1.5, 12.5, 34.5, 45.5};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(y.ptr<double>()[i], want[i]) << i;
}

/// One conv_fwd of f32 ones times `weight`, for the weight cache.
float weighted(Context& ctx, Tensor& w, float weight, std::uint64_t version) {
  const ConvOptions options = ConvOptions::same_sides(1, 1);
  const Tensor x = converted(full({1, 4, 4, 16}, 1), DType::kF32, host_memory());
  Tensor y = Tensor::allocate(host_memory(), {1, 4, 4, 16});
  for (std::int64_t i = 0; i < w.numel(); ++i) w.ptr<float>()[i] = weight;
  conv_fwd(ctx, options, x, w, kNone, version, y);
  return y.ptr<float>()[5 * 16];  // an inner pixel: 9 * 16 terms
}

TEST(Conv, SeesNewWeightsUnderANewVersion) {
  Context ctx(Backend::kCpu);
  Tensor w = Tensor::allocate(host_memory(), {16, 3, 3, 16});
  EXPECT_EQ(weighted(ctx, w, 1, 1), 144);
  EXPECT_EQ(weighted(ctx, w, 2, 2), 288);
  EXPECT_EQ(weighted(ctx, w, 3, 3), 432);
}

TEST(Conv, VersionZeroNeverKeepsWeights) {
  Context ctx(Backend::kCpu);
  Tensor w = Tensor::allocate(host_memory(), {16, 3, 3, 16});
  EXPECT_EQ(weighted(ctx, w, 1, 0), 144);
  EXPECT_EQ(weighted(ctx, w, 2, 0), 288);
}

TEST(Conv, TwoWeightsOfOneShapeAndVersionStayApart) {
  Context ctx(Backend::kCpu);
  Tensor a = Tensor::allocate(host_memory(), {16, 3, 3, 16});
  Tensor b = Tensor::allocate(host_memory(), {16, 3, 3, 16});
  EXPECT_EQ(weighted(ctx, a, 1, 1), 144);
  EXPECT_EQ(weighted(ctx, b, 2, 1), 288);
  EXPECT_EQ(weighted(ctx, a, 1, 1), 144);
}

TEST(Conv, FusedPointwiseBitsDoNotDependOnTheThreads) {
  const auto drawn = [](const Shape& shape, int seed) {
    return converted(normal(shape, seed), DType::kF32, host_memory());
  };
  // 196 pixels: a band for each of 2 threads, panels that 3 and 5 share; of 1200 channels two
  // bands.
  for (const std::int64_t channels : {72, 1200}) {
    const Tensor x = drawn({1, 14, 14, channels}, 1), w = drawn({144, 1, 1, channels}, 2);
    const Tensor bias = drawn({144}, 3), residual = drawn({1, 14, 14, 144}, 4);
    const auto run = [&](int threads) {
      Context ctx(Backend::kCpu, threads);
      Tensor y = Tensor::allocate(host_memory(), {1, 14, 14, 144});
      conv_fused_fwd(ctx, ConvOptions::same_sides(1, 0), Activation::kRelu, x, w, bias, residual,
                     /*w_version=*/1, y);
      return y;
    };
    const Tensor want = run(1);
    for (const int threads : {2, 3, 5}) EXPECT_TRUE(same_bits(run(threads), want)) << threads;
  }
}

TEST(Conv, FallsBackToTheReferenceForF64) {
  const ConvOptions options = ConvOptions::same_sides(1, 1);
  const Tensor x = normal({1, 5, 5, 4}, 1), w = normal({3, 3, 3, 4}, 2);
  Tensor ref = f64({1, 5, 5, 3}), cpu = f64({1, 5, 5, 3});
  Context ref_ctx(Backend::kRef), cpu_ctx(Backend::kCpu, 2);
  conv_fwd(ref_ctx, options, x, w, kNone, 0, ref);
  conv_fwd(cpu_ctx, options, x, w, kNone, 0, cpu);
  EXPECT_TRUE(same_bits(ref, cpu));
}

TEST(ConvOutputShape, CountsWindowsThatFit) {
  EXPECT_EQ(conv_output_shape(ConvOptions::same_sides(2, 3), {8, 224, 224, 3}, {64, 7, 7, 3}),
            (Shape{8, 112, 112, 64}));
  EXPECT_EQ(conv_output_shape({.dilation = 2}, {1, 9, 8, 2}, {4, 3, 3, 2}), (Shape{1, 5, 4, 4}));
  EXPECT_EQ(conv_output_shape({.stride = 2, .pad_bottom = 1}, {1, 8, 8, 2}, {4, 3, 3, 2}),
            (Shape{1, 4, 3, 4}));
}

TEST(Conv, FwdRefusesWrongArguments) {
  Context ctx(Backend::kRef);
  const Tensor x = normal({1, 4, 4, 8}, 1), w = normal({4, 3, 3, 8}, 2);
  Tensor y = f64({1, 2, 2, 4}), narrow = f64({1, 2, 2, 3});
  const auto call = [&](const ConvOptions& o, const Tensor& xs, const Tensor& ws,
                        const Tensor& bias, Tensor& ys) {
    return [&ctx, &ys, o, xs, ws, bias] { conv_fwd(ctx, o, xs, ws, bias, 0, ys); };
  };
  EXPECT_TRUE(refused("conv_fwd", "did you mean groups=2?",
                      call({}, x, normal({4, 3, 3, 4}, 2), kNone, y)));
  EXPECT_TRUE(refused("conv_fwd", "does not fit", call({}, x, normal({4, 5, 5, 8}, 2), kNone, y)));
  EXPECT_TRUE(refused("conv_fwd", "(1, 2, 2, 4), got (1, 2, 2, 3)", call({}, x, w, kNone, narrow)));
  EXPECT_TRUE(refused("conv_fwd", "bias", call({}, x, w, normal({5}, 3), y)));
  EXPECT_TRUE(refused("conv_fwd", "stride", call({.stride = 0}, x, w, kNone, y)));
  EXPECT_TRUE(refused("conv_fwd", "padding", call({.pad_left = -1}, x, w, kNone, y)));
  EXPECT_TRUE(
      refused("conv_fwd", "f32", call({}, x, converted(w, DType::kF32, host_memory()), kNone, y)));
  EXPECT_TRUE(refused("conv_fwd", "(N,H,W,C)", call({}, normal({4, 8}, 1), w, kNone, y)));
}

TEST(Conv, BwdDataRefusesWrongShapes) {
  Context ctx(Backend::kRef);
  const Tensor dy = normal({1, 2, 2, 4}, 1), w = normal({4, 3, 3, 8}, 2);
  Tensor dx = f64({1, 5, 4, 8});
  EXPECT_TRUE(refused("conv_bwd_data", "dy",
                      [&] { conv_bwd_data(ctx, {}, dy, w, 0, GradMode::kOverwrite, dx); }));
}

TEST(Conv, BwdWeightRefusesWrongShapes) {
  Context ctx(Backend::kRef);
  const Tensor x = normal({1, 4, 4, 8}, 1), dy = normal({1, 2, 2, 4}, 2);
  Tensor dw = f64({4, 3, 3, 8}), narrow = f64({4, 3, 3, 7}), dbias = f64({3}), none;
  EXPECT_TRUE(refused("conv_bwd_weight", "C", [&] {
    conv_bwd_weight(ctx, {}, x, dy, GradMode::kOverwrite, narrow, none);
  }));
  EXPECT_TRUE(refused("conv_bwd_weight", "dbias",
                      [&] { conv_bwd_weight(ctx, {}, x, dy, GradMode::kOverwrite, dw, dbias); }));
}

TEST(Conv, TakesAnEmptyBatch) {
  Context ctx(Backend::kCpu);
  const Tensor w = normal({4, 3, 3, 8}, 2);
  Tensor x = f64({0, 4, 4, 8}), y = f64({0, 2, 2, 4}), dw = f64({4, 3, 3, 8}), none;
  conv_fwd(ctx, {}, x, w, kNone, 0, y);
  poison(dw);
  conv_bwd_weight(ctx, {}, x, y, GradMode::kOverwrite, dw, none);
  EXPECT_TRUE(same_bits(dw, full(dw.shape(), 0)));
}

}  // namespace
}  // namespace graft::kernels
