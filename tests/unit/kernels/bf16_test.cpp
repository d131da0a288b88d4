// SPDX-License-Identifier: Apache-2.0
// The inference kernels in bf16 against the f64 reference on the same, rounded values.
#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "kernels/api/backend_info.h"
#include "kernels/api/gemm.h"
#include "kernels/api/int8.h"
#include "kernels/api/pointwise.h"
#include "tests/support/compare.h"
#include "tests/support/fails_with.h"
#include "tests/support/op_cases.h"
#include "tests/support/refused.h"
#include "tests/support/tensors.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

constexpr double kRounding = 1.0 / 256;  // the most that rounding to 8 bits can be off, relatively

#define SKIP_WITHOUT_BF16() \
  if (const char* why = why_not_fast(DType::kBF16)) GTEST_SKIP() << why

Tensor empty_like(const Shape& shape, DType dtype) {
  Tensor t = Tensor::allocate(host_memory(), shape, dtype);
  poison(t);
  return t;
}

/// f64 values as bf16.
Tensor narrowed(const Tensor& t) {
  if (t.empty()) return {};
  Context ctx(Backend::kCpu, 1);
  Tensor y = empty_like(t.shape(), DType::kBF16);
  cast(ctx, converted(t, DType::kF32, host_memory()), y);
  return y;
}

/// What a tensor of bf16 stands for.
Tensor widened(const Tensor& t) {
  if (t.empty()) return {};
  Tensor y = empty_like(t.shape(), DType::kF64);
  for (std::int64_t i = 0; i < t.numel(); ++i) y.ptr<double>()[i] = element(t, i);
  return y;
}

/// Calls f(threads) on one and on two.
template <class F>
void on_one_and_two_threads(const F& f) {
  for (const int threads : {1, 2}) {
    SCOPED_TRACE(threads);
    Context ctx(Backend::kCpu, threads);
    f(ctx);
  }
}

/// Whether the own depthwise loop takes the case, which does not round f32 weights.
bool keeps_weights(const ConvCase& c) {
  return c.options.groups == c.c && c.k == c.c && c.c % 16 == 0 && c.r == 3 && c.s == 3;
}

class ConvBf16 : public ::testing::TestWithParam<ConvCase> {};

TEST_P(ConvBf16, EqualsReferenceOnRoundedValues) {
  SKIP_WITHOUT_BF16();
  const ConvCase& c = GetParam();
  const Tensor x = narrowed(normal(c.x(), 1)), w = narrowed(normal(c.filter(), 2));
  const Tensor bias = c.bias ? normal({c.k}, 3) : Tensor(), added = narrowed(normal(c.y(), 4));
  const Tensor bias_f32 = c.bias ? converted(bias, DType::kF32, host_memory()) : Tensor();
  const auto terms = static_cast<double>(c.r * c.s * c.c / c.options.groups);
  Context oracle(Backend::kRef);
  for (const auto& [act, residual] : {std::pair{Activation::kNone, Tensor()},
                                      {Activation::kRelu, Tensor()},
                                      {Activation::kRelu6, added}}) {
    Tensor want = empty_like(c.y(), DType::kF64);
    conv_fused_fwd(oracle, c.options, act, widened(x), widened(w), bias, widened(residual), 0,
                   want);
    on_one_and_two_threads([&](Context& ctx) {
      Tensor y = empty_like(c.y(), DType::kBF16), wide = empty_like(c.y(), DType::kF32);
      conv_fused_fwd(ctx, c.options, act, x, w, bias_f32, residual, 1, y);
      EXPECT_TRUE(within(y, want, kRounding));
      conv_fused_fwd(ctx, c.options, act, x, w, bias_f32, residual, 1, wide);
      EXPECT_TRUE(within(wide, want, tolerance(DType::kF32, terms)));
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ConvBf16, ::testing::ValuesIn(conv_cases()), IdOf{});

TEST_P(ConvBf16, TakesF32Weights) {
  SKIP_WITHOUT_BF16();
  const ConvCase& c = GetParam();
  const Tensor x = narrowed(normal(c.x(), 1)), w = normal(c.filter(), 2);
  const Tensor w_f32 = converted(w, DType::kF32, host_memory());
  Context oracle(Backend::kRef);
  Tensor want = empty_like(c.y(), DType::kF64);
  const Tensor used = keeps_weights(c) ? w : widened(narrowed(w));
  conv_fused_fwd(oracle, c.options, Activation::kRelu, widened(x), used, {}, {}, 0, want);
  on_one_and_two_threads([&](Context& ctx) {
    for (const std::uint64_t version : {0, 1, 1}) {
      Tensor y = empty_like(c.y(), DType::kBF16);
      conv_fused_fwd(ctx, c.options, Activation::kRelu, x, w_f32, {}, {}, version, y);
      EXPECT_TRUE(within(y, want, kRounding));
    }
  });
}

TEST(ConvBf16Weights, ArePackedAgainForEveryVersionAndOnlyThen) {
  SKIP_WITHOUT_BF16();
  Context ctx(Backend::kCpu, 1);
  const Tensor x = narrowed(full({1, 4, 4, 16}, 1));
  Tensor w = narrowed(full({16, 1, 1, 16}, 1)), y = empty_like({1, 4, 4, 16}, DType::kF32);
  const auto value = [&](std::uint64_t version) {
    conv_fused_fwd(ctx, {}, Activation::kNone, x, w, {}, {}, version, y);
    return element(y, 0);
  };
  EXPECT_EQ(value(1), 16);
  std::fill_n(w.ptr<BFloat16>(), w.numel(), BFloat16{0x4000});  // 2
  EXPECT_EQ(value(1), 16);
  EXPECT_EQ(value(2), 32);
  EXPECT_EQ(value(0), 32);
}

class LinearBf16 : public ::testing::TestWithParam<LinearCase> {};

TEST_P(LinearBf16, EqualsReferenceOnRoundedValues) {
  SKIP_WITHOUT_BF16();
  const LinearCase& c = GetParam();
  const Tensor x = narrowed(normal({c.n, c.c}, 1)), w = narrowed(normal({c.k, c.c}, 2));
  const Tensor bias = c.bias ? normal({c.k}, 3) : Tensor();
  const Tensor bias_f32 = c.bias ? converted(bias, DType::kF32, host_memory()) : Tensor();
  Context oracle(Backend::kRef);
  Tensor want = empty_like({c.n, c.k}, DType::kF64);
  linear_fwd(oracle, widened(x), widened(w), bias, 0, want);
  on_one_and_two_threads([&](Context& ctx) {
    Tensor y = empty_like({c.n, c.k}, DType::kBF16), wide = empty_like({c.n, c.k}, DType::kF32);
    linear_fwd(ctx, x, w, bias_f32, 1, y);
    EXPECT_TRUE(within(y, want, kRounding));
    linear_fwd(ctx, x, w, bias_f32, 1, wide);
    EXPECT_TRUE(within(wide, want, tolerance(DType::kF32, static_cast<double>(c.c))));
  });
}

INSTANTIATE_TEST_SUITE_P(Shapes, LinearBf16, ::testing::ValuesIn(linear_cases()), IdOf{});

class PoolBf16 : public ::testing::TestWithParam<PoolCase> {};

TEST_P(PoolBf16, EqualsReferenceOnRoundedValues) {
  const PoolCase& c = GetParam();
  const Tensor x = narrowed(normal(c.x(), 1)), x64 = widened(x);
  Context oracle(Backend::kRef);
  Tensor most = empty_like(c.y(), DType::kF64), mean = empty_like(c.y(), DType::kF64);
  Tensor all = empty_like({c.n, c.c}, DType::kF64), place = empty_like(c.y(), DType::kU8);
  max_pool_fwd(oracle, c.options, x64, most, place);
  avg_pool_fwd(oracle, c.options, x64, mean);
  global_avg_pool_fwd(oracle, x64, all);
  on_one_and_two_threads([&](Context& ctx) {
    Tensor y = empty_like(c.y(), DType::kBF16), index = empty_like(c.y(), DType::kU8);
    max_pool_fwd(ctx, c.options, x, y, index);
    EXPECT_TRUE(within(y, most, 0));
    EXPECT_TRUE(same_bits(index, place));
    avg_pool_fwd(ctx, c.options, x, y);
    EXPECT_TRUE(within(y, mean, kRounding));
    Tensor wide = empty_like({c.n, c.c}, DType::kF32);
    global_avg_pool_fwd(ctx, x, wide);
    EXPECT_TRUE(within(wide, all, tolerance(DType::kF32, static_cast<double>(c.h * c.w))));
  });
}

INSTANTIATE_TEST_SUITE_P(Shapes, PoolBf16, ::testing::ValuesIn(pool_cases()), IdOf{});

TEST(PointwiseBf16, EqualsReferenceOnRoundedValues) {
  for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{3, 5, 7, 19}, Shape{2, 30, 31, 64}}) {
    const Tensor a = narrowed(normal(shape, 1, 4)), b = narrowed(normal(shape, 2, 4));
    const Tensor scale = normal({shape[3]}, 3), shift = normal({shape[3]}, 4);
    const Tensor scale_f32 = converted(scale, DType::kF32, host_memory());
    const Tensor shift_f32 = converted(shift, DType::kF32, host_memory());
    Context oracle(Backend::kRef);
    Tensor want = empty_like(shape, DType::kF64);
    on_one_and_two_threads([&](Context& ctx) {
      Tensor y = empty_like(shape, DType::kBF16);
      for (const Activation act : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
        activation_fwd(oracle, act, widened(a), want);
        activation_fwd(ctx, act, a, y);
        EXPECT_TRUE(within(y, want, 0));
        add_fwd(oracle, act, widened(a), widened(b), want);
        add_fwd(ctx, act, a, b, y);
        EXPECT_TRUE(within(y, want, kRounding));
        scale_shift_fwd(oracle, {.activation = act}, widened(a), scale, shift, want);
        scale_shift_fwd(ctx, {.activation = act}, a, scale_f32, shift_f32, y);
        EXPECT_TRUE(within(y, want, kRounding));
      }
    });
  }
}

TEST(PointwiseBf16, MovesChannels) {
  Context ctx(Backend::kCpu, 1), oracle(Backend::kRef);
  const Tensor a = narrowed(normal({2, 3, 5, 3}, 1)), b = narrowed(normal({2, 3, 5, 6}, 2));
  Tensor y = empty_like({2, 3, 5, 9}, DType::kBF16), want = empty_like({2, 3, 5, 9}, DType::kF64);
  const Tensor parts[] = {a, b}, wide[] = {widened(a), widened(b)};
  concat_fwd(ctx, parts, y);
  concat_fwd(oracle, wide, want);
  EXPECT_TRUE(within(y, want, 0));
  Tensor small = empty_like({2, 2, 3, 7}, DType::kBF16);
  Tensor small_want = empty_like({2, 2, 3, 7}, DType::kF64);
  subsample_pad_fwd(ctx, 2, a, small);
  subsample_pad_fwd(oracle, 2, widened(a), small_want);
  EXPECT_TRUE(within(small, small_want, 0));
}

TEST(CastBf16, RoundsToTheNearestTiesToEven) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  struct Rounded {
    float from;
    std::uint16_t to;
  };
  const Rounded cases[] = {
      {1.0F, 0x3F80},
      {-2.5F, 0xC020},
      {std::bit_cast<float>(0x3F808000U), 0x3F80},  // half-way between an even and an odd one
      {std::bit_cast<float>(0x3F818000U), 0x3F82},
      {std::bit_cast<float>(0x3F808001U), 0x3F81},
      {std::numeric_limits<float>::max(), 0x7F80},
      {std::bit_cast<float>(0x00018000U), 0x0002},  // a denormal
      {-0.0F, 0x8000},
      {kInf, 0x7F80},
      {-kInf, 0xFF80},
      {std::bit_cast<float>(0x7F800001U), 0x7FC0},  // a NaN whose payload is in the lost bits
  };
  constexpr std::int64_t kRepeat = 5;  // whole vectors and a rest
  const auto count = static_cast<std::int64_t>(std::size(cases));
  Tensor x = empty_like({kRepeat * count}, DType::kF32), y = empty_like(x.shape(), DType::kBF16);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.ptr<float>()[i] = cases[i % count].from;
  Context ctx(Backend::kCpu, 1);
  cast(ctx, x, y);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    EXPECT_EQ(y.ptr<BFloat16>()[i].bits, cases[i % count].to) << i;
  }
  Tensor back = empty_like(x.shape(), DType::kF32);
  cast(ctx, y, back);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(back.ptr<float>()[i]);
    EXPECT_EQ(bits, std::uint32_t{cases[i % count].to} << 16) << i;
  }
}

TEST(Bf16Door, WantsAnF32BiasAndRefusesTheReference) {
  Context ctx(Backend::kCpu, 1), ref(Backend::kRef);
  const Tensor x = narrowed(full({1, 4, 4, 16}, 1)), w = narrowed(full({8, 1, 1, 16}, 1));
  Tensor y = empty_like({1, 4, 4, 8}, DType::kBF16);
  EXPECT_TRUE(refused("conv_fwd", "bias expects dtype f32, got bf16",
                      [&] { conv_fwd(ctx, {}, x, w, narrowed(full({8}, 1)), 0, y); }));
  EXPECT_TRUE(fails_with(Errc::kUnsupported, {"conv_fwd", "bf16"},
                         [&] { conv_fwd(ref, {}, x, w, {}, 0, y); }));
}

}  // namespace
}  // namespace graft::kernels
