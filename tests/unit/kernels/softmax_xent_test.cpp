// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/softmax_xent.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/gradcheck.h"
#include "tests/support/op_check.h"
#include "tests/support/refused.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

Tensor f64(const Shape& shape) { return Tensor::allocate(host_memory(), shape, DType::kF64); }

struct XentCase {
  std::int64_t n, c;
  double smoothing;
  double scale;  ///< of the logits
};

const XentCase kCases[] = {{1, 2, 0, 1},   {8, 10, 0, 3},     {5, 10, 0.1, 1}, {3, 100, 0.1, 2},
                           {33, 7, 0, 30}, {4, 1000, 0.2, 1}, {2, 1, 0.1, 1}};

Tensor logits_of(const XentCase& k) { return normal({k.n, k.c}, 1, k.scale); }
Tensor labels_of(const XentCase& k) { return labels(k.n, static_cast<std::uint32_t>(k.c), 2); }
/// Importance weights; every third example is not selected.
Tensor weights_of(const XentCase& k) {
  Tensor w = uniform({k.n}, 3, 0.5, 2);
  for (std::int64_t i = 0; i < k.n; i += 3) w.ptr<double>()[i] = 0;
  return w;
}

TEST(SoftmaxXent, FwdMatchesReference) {
  for (const XentCase& k : kCases) {
    SCOPED_TRACE(graft::detail::cat("n", k.n, "_c", k.c));
    expect_matches_reference({
        .in = {logits_of(k), labels_of(k)},
        .out = {{.name = "loss", .shape = {k.n}, .terms = static_cast<double>(k.c)},
                {.name = "correct", .shape = {k.n}, .dtype = DType::kU8},
                {.name = "loss only", .shape = {k.n}, .terms = static_cast<double>(k.c)}},
        .run =
            [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
              Tensor none;
              softmax_xent_fwd(ctx, k.smoothing, in[0], in[1], out[0], out[1]);
              softmax_xent_fwd(ctx, k.smoothing, in[0], in[1], out[2], none);
            },
    });
  }
}

TEST(SoftmaxXent, BwdMatchesReference) {
  for (const XentCase& k : kCases) {
    SCOPED_TRACE(graft::detail::cat("n", k.n, "_c", k.c));
    expect_matches_reference({
        .in = {logits_of(k), labels_of(k), weights_of(k)},
        .out = {{.name = "dlogits", .shape = {k.n, k.c}, .terms = static_cast<double>(k.c)}},
        .run =
            [&](Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
              softmax_xent_bwd(ctx, k.smoothing, in[0], in[1], in[2], mode, out[0]);
            },
        .has_mode = true,
    });
  }
}

TEST(SoftmaxXent, SoftmaxMatchesReference) {
  for (const XentCase& k : kCases) {
    const auto terms = static_cast<double>(k.c);
    expect_matches_reference({
        .in = {logits_of(k)},
        .out = {{.name = "y", .shape = {k.n, k.c}, .terms = terms},
                {.name = "in place", .shape = {k.n, k.c}, .terms = terms, .initial = logits_of(k)}},
        .run =
            [](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
              softmax(ctx, in[0], out[0]);
              softmax(ctx, out[1], out[1]);
            },
    });
  }
}

// The backward is handed the weights that a finite difference of the weighted losses sees.
TEST(SoftmaxXent, BackwardMatchesFiniteDifferences) {
  Context ctx(Backend::kRef);
  for (const XentCase& k : kCases) {
    const Tensor label = labels_of(k);
    Tensor none;
    const auto forward = [&](const Tensors& x) -> Tensors {
      Tensor loss = f64({k.n});
      softmax_xent_fwd(ctx, k.smoothing, x[0], label, loss, none);
      return {loss};
    };
    const auto backward = [&](const Tensors& x, const Tensors& u) -> Tensors {
      Tensor dx = f64({k.n, k.c});
      softmax_xent_bwd(ctx, k.smoothing, x[0], label, u[0], GradMode::kOverwrite, dx);
      return {dx};
    };
    EXPECT_LT(vjp_gap(forward, backward, {logits_of(k)}), 1e-6) << k.c;
  }
}

// Equal logits: the loss is log C whatever the smoothing; torch gives 1.3862943611198906 for C = 4.
TEST(SoftmaxXent, EqualLogitsCostLogC) {
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend);
    Tensor loss = Tensor::allocate(host_memory(), {2}), none;
    const Tensor logits = converted(full({2, 4}, 7), DType::kF32, host_memory());
    for (const double smoothing : {0.0, 0.1}) {
      softmax_xent_fwd(ctx, smoothing, logits, labels(2, 4, 1), loss, none);
      EXPECT_NEAR(loss.ptr<float>()[0], std::log(4.0), 1e-6);
    }
  }
}

TEST(SoftmaxXent, HugeLogitsStayFinite) {
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend);
    Tensor x = Tensor::allocate(host_memory(), {1, 3}), loss = Tensor::allocate(host_memory(), {1});
    Tensor correct = Tensor::allocate(host_memory(), {1}, DType::kU8);
    const float values[] = {3e4f, -3e4f, 0};
    copy_from_host(ctx, values, x);
    Tensor label = Tensor::zeros(host_memory(), {1}, DType::kI32);
    softmax_xent_fwd(ctx, 0, x, label, loss, correct);
    EXPECT_EQ(loss.ptr<float>()[0], 0);
    EXPECT_EQ(correct.ptr<std::uint8_t>()[0], 1);
    label.ptr<std::int32_t>()[0] = 1;
    softmax_xent_fwd(ctx, 0, x, label, loss, correct);
    EXPECT_EQ(loss.ptr<float>()[0], 6e4f);
    EXPECT_EQ(correct.ptr<std::uint8_t>()[0], 0);
  }
}

TEST(SoftmaxXent, ATieIsCorrectForTheFirstOnly) {
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend);
    const Tensor logits = converted(full({2, 3}, 1), DType::kF32, host_memory());
    Tensor label = Tensor::zeros(host_memory(), {2}, DType::kI32);
    label.ptr<std::int32_t>()[1] = 2;
    Tensor loss = Tensor::allocate(host_memory(), {2});
    Tensor correct = Tensor::allocate(host_memory(), {2}, DType::kU8);
    softmax_xent_fwd(ctx, 0, logits, label, loss, correct);
    EXPECT_EQ(correct.ptr<std::uint8_t>()[0], 1) << name(backend);
    EXPECT_EQ(correct.ptr<std::uint8_t>()[1], 0) << name(backend);
  }
}

TEST(SoftmaxXent, RefusesWrongArguments) {
  Context ctx(Backend::kRef);
  const Tensor logits = normal({3, 4}, 1), label = labels(3, 4, 2), high = full({3}, 1);
  Tensor loss = f64({3}), short_loss = f64({2}), none, dx = f64({3, 4});
  Tensor bad = labels(3, 4, 2);
  bad.ptr<std::int32_t>()[1] = 4;
  EXPECT_TRUE(refused("softmax_xent_fwd", "label[1]=4",
                      [&] { softmax_xent_fwd(ctx, 0, logits, bad, loss, none); }));
  EXPECT_TRUE(refused("softmax_xent_fwd", "i32",
                      [&] { softmax_xent_fwd(ctx, 0, logits, high, loss, none); }));
  EXPECT_TRUE(refused("softmax_xent_fwd", "smoothing",
                      [&] { softmax_xent_fwd(ctx, 1.5, logits, label, loss, none); }));
  EXPECT_TRUE(refused("softmax_xent_fwd", "loss",
                      [&] { softmax_xent_fwd(ctx, 0, logits, label, short_loss, none); }));
  EXPECT_TRUE(refused("softmax_xent_bwd", "weight", [&] {
    softmax_xent_bwd(ctx, 0, logits, label, short_loss, GradMode::kOverwrite, dx);
  }));
  EXPECT_TRUE(refused("softmax", "(N,C)", [&] { softmax(ctx, loss, loss); }));
}

}  // namespace
}  // namespace graft::kernels
