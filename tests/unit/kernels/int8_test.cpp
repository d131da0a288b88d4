// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/int8.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/rng.h"
#include "kernels/api/pointwise.h"
#include "tests/support/refused.h"
#include "tests/support/tensors.h"

namespace graft::kernels {
namespace {

using testing::element;
using testing::refused;
using testing::same_bits;

/// All values of the dtype, uniformly; f32: multiples of 1/8 in [-8, 8).
Tensor drawn(const Shape& shape, DType dtype, std::uint64_t seed) {
  Tensor t = Tensor::allocate(host_memory(), shape, dtype);
  Philox rng({.seed = seed, .purpose = RngPurpose::kTest});
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    const auto byte = static_cast<int>(rng.below(256));
    if (dtype == DType::kU8) t.ptr<std::uint8_t>()[i] = static_cast<std::uint8_t>(byte);
    if (dtype == DType::kI8) t.ptr<std::int8_t>()[i] = static_cast<std::int8_t>(byte - 128);
    if (dtype == DType::kF32) t.ptr<float>()[i] = static_cast<float>(byte % 128 - 64) / 8;
  }
  return t;
}

Tensor filled(const Shape& shape, float value) {
  Tensor t = Tensor::allocate(host_memory(), shape);
  std::fill_n(t.ptr<float>(), t.numel(), value);
  return t;
}

struct Case {
  std::string name;
  std::int64_t n, h, w, c, k, r;
  ConvOptions conv;
  DType x = DType::kU8, y = DType::kU8;
  DType residual = DType::kF64;  // none
  Activation activation = Activation::kRelu;
};

std::vector<Case> cases() {
  const ConvOptions same = ConvOptions::same_sides(1, 1), half = ConvOptions::same_sides(2, 1);
  const ConvOptions point = ConvOptions::same_sides(1, 0);
  constexpr auto kNone = Activation::kNone;
  return {
      {"one_register", 3, 9, 17, 16, 16, 3, same},
      {"two_registers", 2, 8, 13, 32, 32, 3, same, DType::kU8, DType::kU8, DType::kU8},
      {"first_layer", 2, 12, 12, 3, 16, 3, same, DType::kI8},
      {"first_layer_wide", 2, 12, 11, 3, 40, 3, half, DType::kI8, DType::kI8, DType::kF64, kNone},
      {"odd_channels", 2, 7, 7, 21, 27, 3, same, DType::kI8, DType::kI8, DType::kI8, kNone},
      {"stride_2", 2, 10, 15, 16, 48, 3, half, DType::kU8, DType::kU8, DType::kF32},
      {"relu6_to_f32", 2, 6, 6, 24, 24, 3, same, DType::kU8, DType::kF32, DType::kI8,
       Activation::kRelu6},
      {"pointwise", 3, 5, 11, 32, 20, 1, point, DType::kU8, DType::kI8, DType::kF64, kNone},
      {"pointwise_rest", 1, 11, 11, 48, 48, 1, point, DType::kU8, DType::kU8, DType::kU8},
      {"pointwise_residual", 1, 2, 3, 40, 64, 1, point, DType::kI8, DType::kF32, DType::kF32},
      {"pointwise_stride", 2, 9, 9, 16, 32, 1, ConvOptions::same_sides(2, 0)},
      {"five", 1, 11, 9, 8, 16, 5, ConvOptions::same_sides(1, 2)},
      {"bands", 1, 40, 70, 32, 16, 3, same},
      {"uneven", 2, 8, 8, 16, 16, 3, {.stride = 2, .pad_bottom = 1, .pad_right = 1}},
      {"depthwise", 2, 7, 9, 48, 48, 3, ConvOptions::same_sides(1, 1, 48), DType::kU8, DType::kU8,
       DType::kF64, Activation::kRelu6},
      {"depthwise_stride_2", 2, 8, 9, 16, 16, 3, ConvOptions::same_sides(2, 1, 16), DType::kI8,
       DType::kI8, DType::kI8, kNone},
      {"depthwise_uneven",
       1,
       8,
       8,
       32,
       32,
       3,
       {.stride = 2, .pad_bottom = 1, .pad_right = 1, .groups = 32},
       DType::kU8,
       DType::kF32},
      {"grouped", 2, 5, 5, 8, 8, 3, ConvOptions::same_sides(1, 1, 8), DType::kI8, DType::kI8,
       DType::kF64, kNone},
      {"dilated",
       1,
       9,
       9,
       8,
       8,
       3,
       {.pad_top = 2, .pad_left = 2, .pad_bottom = 2, .pad_right = 2, .dilation = 2}},
  };
}

class ConvInt8 : public ::testing::TestWithParam<Case> {};

/// Runs the case on a backend, with scales that are powers of two where `exact`.
Tensor run(const Case& c, Backend backend, int threads, bool exact) {
  Context ctx(backend, threads);
  const Tensor x = drawn({c.n, c.h, c.w, c.c}, c.x, 1);
  const Tensor w = drawn({c.k, c.r, c.r, c.c / c.conv.groups}, DType::kI8, 2);
  Tensor w_scale = filled({c.k}, 1), bias = filled({c.k}, 0);
  for (std::int64_t k = 0; k < c.k; ++k) {
    const float step = exact ? 0.25F : 0.2F + 0.01F * static_cast<float>(k % 7);
    w_scale.ptr<float>()[k] = step / (k % 2 == 0 ? 1 : 2);
    bias.ptr<float>()[k] = static_cast<float>(k % 5) * (exact ? 64.0F : 61.3F);
  }
  const Int8ConvOptions o = {.conv = c.conv,
                             .activation = c.activation,
                             .x_scale = exact ? 0.5F : 0.43F,
                             .residual_scale = exact ? 32.0F : 31.1F,
                             .y_scale = exact ? 64.0F : 57.7F};
  const Shape shape = conv_output_shape(c.conv, x.shape(), w.shape());
  const Tensor residual = c.residual == DType::kF64 ? Tensor() : drawn(shape, c.residual, 3);
  Tensor y = Tensor::allocate(host_memory(), shape, c.y);
  testing::poison(y);
  conv_int8_fwd(ctx, o, x, w, w_scale, bias, residual, /*w_version=*/1, y);
  return y;
}

TEST_P(ConvInt8, EqualsTheExactIntegerReference) {
  const Tensor want = run(GetParam(), Backend::kRef, 1, true);
  for (const int threads : {1, 2}) {
    EXPECT_TRUE(same_bits(run(GetParam(), Backend::kCpu, threads, true), want)) << threads;
  }
}

TEST_P(ConvInt8, RoundsAtMostOneStepOffForAnyScale) {
  const Tensor want = run(GetParam(), Backend::kRef, 1, false);
  const Tensor got = run(GetParam(), Backend::kCpu, 1, false);
  std::int64_t off = 0;
  for (std::int64_t i = 0; i < want.numel(); ++i) {
    const double gap = std::abs(element(got, i) - element(want, i));
    if (want.dtype() == DType::kF32) {
      EXPECT_LE(gap, 1e-5 * (1 + std::abs(element(want, i))));
    } else {
      EXPECT_LE(gap, 1);
      off += gap > 0 ? 1 : 0;
    }
  }
  EXPECT_LE(off, 1 + want.numel() / 1000);
}

INSTANTIATE_TEST_SUITE_P(Shapes, ConvInt8, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

TEST(ConvInt8Options, NewWeightsCountFromTheirVersionOn) {
  Context ctx(Backend::kCpu);
  const Tensor x = drawn({1, 4, 4, 16}, DType::kU8, 1), scale = filled({16}, 1),
               bias = filled({16}, 0);
  Tensor w = drawn({16, 3, 3, 16}, DType::kI8, 2);
  const Int8ConvOptions o = {.conv = ConvOptions::same_sides(1, 1)};
  const auto result = [&](std::uint64_t version) {
    Tensor y = Tensor::allocate(host_memory(), {1, 4, 4, 16});
    conv_int8_fwd(ctx, o, x, w, scale, bias, Tensor(), version, y);
    return y;
  };
  const Tensor before = result(1);
  for (std::int64_t i = 0; i < w.numel(); ++i) w.ptr<std::int8_t>()[i] = 1;
  const Tensor after = result(2);
  EXPECT_FALSE(same_bits(before, after));
  EXPECT_TRUE(same_bits(result(0), after));
}

TEST(ConvInt8Options, WrongOnesAreRefused) {
  Context ctx(Backend::kCpu);
  const Tensor x = drawn({1, 4, 4, 16}, DType::kU8, 1), w = drawn({8, 3, 3, 16}, DType::kI8, 2),
               scale = filled({8}, 1), bias = filled({8}, 0);
  Tensor y = drawn({1, 4, 4, 8}, DType::kU8, 3);
  Int8ConvOptions o = {.conv = ConvOptions::same_sides(1, 1), .y_scale = 0};
  const auto call = [&](const Tensor& image, const Tensor& filter) {
    conv_int8_fwd(ctx, o, image, filter, scale, bias, Tensor(), 0, y);
  };
  EXPECT_TRUE(refused("conv_int8_fwd", "scale of y must be > 0", [&] { call(x, w); }));
  o.y_scale = 1;
  EXPECT_TRUE(
      refused("conv_int8_fwd", "x expects dtype u8 or i8", [&] { call(filled(x.shape(), 1), w); }));
  EXPECT_TRUE(
      refused("conv_int8_fwd", "weight expects dtype i8", [&] { call(x, filled(w.shape(), 1)); }));
}

TEST(LinearInt8, IsAConvolutionOfOnePixel) {
  const Tensor x = drawn({5, 37}, DType::kU8, 1), w = drawn({10, 37}, DType::kI8, 2);
  const Tensor scale = filled({10}, 0.5F), bias = filled({10}, 3);
  Tensor y[2];
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend);
    Tensor& out = y[backend == Backend::kCpu ? 1 : 0];
    out = Tensor::allocate(host_memory(), {5, 10});
    linear_int8_fwd(ctx, {.conv = {}, .x_scale = 0.25F}, x, w, scale, bias, 1, out);
  }
  EXPECT_TRUE(same_bits(y[1], y[0]));
  double sum = 0;
  for (std::int64_t c = 0; c < 37; ++c) sum += element(x, 37 + c) * element(w, 2 * 37 + c);
  EXPECT_EQ(element(y[1], 12), sum * 0.5 * 0.25 + 3);
}

TEST(QuantiseWeights, OneScaleAFilter) {
  Context ctx(Backend::kCpu);
  Tensor w = filled({3, 1, 1, 2}, 0), q = Tensor::allocate(host_memory(), {3, 1, 1, 2}, DType::kI8);
  Tensor scale = filled({3}, 0);
  w.ptr<float>()[0] = 12.7F;
  w.ptr<float>()[1] = -6.35F;
  w.ptr<float>()[4] = -0.127F;
  quantise_weights(ctx, w, q, scale);
  EXPECT_FLOAT_EQ(scale.ptr<float>()[0], 0.1F);
  EXPECT_EQ(scale.ptr<float>()[1], 1);  // a filter of zeros
  EXPECT_EQ(q.ptr<std::int8_t>()[0], 127);
  EXPECT_NEAR(q.ptr<std::int8_t>()[1], -63.5, 0.5);
  EXPECT_EQ(q.ptr<std::int8_t>()[4], -127);
}

TEST(Quantise, RoundsToEvenAndSaturates) {
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend, 2);
    Tensor x = filled({70}, 0), u = Tensor::allocate(host_memory(), {70}, DType::kU8),
           s = Tensor::allocate(host_memory(), {70}, DType::kI8);
    const float values[] = {0.5F,  1.5F,  2.5F,   -0.5F,
                            -1.5F, 1e30F, -1e30F, std::numeric_limits<float>::infinity()};
    std::copy(std::begin(values), std::end(values), x.ptr<float>());
    x.ptr<float>()[69] = 7 * 0.5F;  // behind the last whole vector
    quantise(ctx, 0.5F, x, u);
    quantise(ctx, 1, x, s);
    EXPECT_EQ(u.ptr<std::uint8_t>()[1], 3);
    EXPECT_EQ(u.ptr<std::uint8_t>()[3], 0);
    EXPECT_EQ(u.ptr<std::uint8_t>()[5], 255);
    EXPECT_EQ(u.ptr<std::uint8_t>()[69], 7);
    const int want[] = {0, 2, 2, 0, -2, 127, -128, 127};
    for (int i = 0; i < 8; ++i) EXPECT_EQ(s.ptr<std::int8_t>()[i], want[i]) << i;
    Tensor back = filled({70}, 0);
    dequantise(ctx, 2, s, back);
    EXPECT_EQ(back.ptr<float>()[4], -4);
  }
}

TEST(ScaleShift, EqualsTheReferenceForEveryPairOfDtypes) {
  constexpr DType kTypes[] = {DType::kU8, DType::kI8, DType::kF32};
  for (const DType from : kTypes) {
    for (const DType to : kTypes) {
      const Tensor x = drawn({2, 3, 5, 21}, from, 1), scale = drawn({21}, DType::kF32, 2),
                   shift = drawn({21}, DType::kF32, 3);
      Tensor y[2];
      for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
        Context ctx(backend);
        Tensor& out = y[backend == Backend::kCpu ? 1 : 0];
        out = Tensor::allocate(host_memory(), x.shape(), to);
        scale_shift_fwd(ctx, {.activation = Activation::kRelu, .x_scale = 0.5F, .y_scale = 4}, x,
                        scale, shift, out);
      }
      EXPECT_TRUE(same_bits(y[1], y[0])) << name(from) << " to " << name(to);
    }
  }
}

TEST(PoolInt8, EqualsTheReference) {
  for (const DType dtype : {DType::kU8, DType::kI8}) {
    const Tensor x = drawn({3, 7, 6, 20}, dtype, 4);
    const PoolOptions o = {.window = 3, .stride = 2, .pad = 1};
    Tensor most[2], mean[2];
    for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
      Context ctx(backend, 2);
      const std::size_t i = backend == Backend::kCpu ? 1 : 0;
      most[i] = Tensor::allocate(host_memory(), pool_output_shape(o, x.shape()), dtype);
      mean[i] = Tensor::allocate(host_memory(), {3, 20});
      max_pool_int8_fwd(ctx, o, x, most[i]);
      global_avg_pool_int8_fwd(ctx, 0.1F, x, mean[i]);
    }
    EXPECT_TRUE(same_bits(most[1], most[0]));
    for (std::int64_t i = 0; i < mean[0].numel(); ++i) {
      EXPECT_NEAR(element(mean[1], i), element(mean[0], i), 1e-5);
    }
  }
}

Tensor mean_pooled(Backend backend, const PoolOptions& o, const Tensor& x) {
  Context ctx(backend, 2);
  Tensor y = Tensor::allocate(host_memory(), pool_output_shape(o, x.shape()), x.dtype());
  testing::poison(y);
  avg_pool_int8_fwd(ctx, o, x, y);
  return y;
}

TEST(AvgPoolInt8, EqualsTheReference) {
  const PoolOptions exact[] = {{.window = 3, .stride = 1, .pad = 1},
                               {.window = 2, .stride = 2},
                               {.window = 3, .stride = 2, .pad = 1, .count_include_pad = true},
                               {.window = 15, .stride = 4, .pad = 7}};
  const PoolOptions ties[] = {{.window = 3, .stride = 1, .pad = 1, .count_include_pad = false},
                              {.window = 3, .stride = 2, .ceil_mode = true}};
  for (const DType dtype : {DType::kU8, DType::kI8}) {
    for (const std::int64_t channels : {20, 83}) {
      const Tensor x = drawn({3, 11, 8, channels}, dtype, 4);
      for (const PoolOptions& o : exact) {
        EXPECT_TRUE(same_bits(mean_pooled(Backend::kCpu, o, x), mean_pooled(Backend::kRef, o, x)))
            << o.window;
      }
      for (const PoolOptions& o : ties) {  // border windows of 6 pixels: a tie may go either way
        const Tensor got = mean_pooled(Backend::kCpu, o, x);
        const Tensor want = mean_pooled(Backend::kRef, o, x);
        for (std::int64_t i = 0; i < want.numel(); ++i) {
          EXPECT_LE(std::abs(element(got, i) - element(want, i)), 1) << i;
        }
      }
    }
  }
}

TEST(AvgPoolInt8, LargeWindowsAreRefused) {
  EXPECT_TRUE(refused("avg_pool_int8_fwd", "window must be <= 15, got 16", [] {
    (void)mean_pooled(Backend::kCpu, {.window = 16, .stride = 1},
                      drawn({1, 16, 16, 4}, DType::kU8, 1));
  }));
}

TEST(ConcatInt8, EqualsTheReference) {
  for (const DType dtype : {DType::kU8, DType::kI8}) {
    const Tensor parts[] = {drawn({2, 3, 5, 7}, dtype, 1), drawn({2, 3, 5, 64}, dtype, 2),
                            drawn({2, 3, 5, 1}, dtype, 3)};
    Tensor y[2];
    for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
      Context ctx(backend, 2);
      Tensor& out = y[backend == Backend::kCpu ? 1 : 0];
      out = Tensor::allocate(host_memory(), {2, 3, 5, 72}, dtype);
      concat_fwd(ctx, parts, out);
    }
    EXPECT_TRUE(same_bits(y[1], y[0]));
    EXPECT_EQ(element(y[1], 72 + 7), element(parts[1], 64));
    EXPECT_EQ(element(y[1], 71), element(parts[2], 0));
  }
}

}  // namespace
}  // namespace graft::kernels
