// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/optim.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/op_check.h"
#include "tests/support/refused.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

Tensor f64(const Shape& shape) { return Tensor::allocate(host_memory(), shape, DType::kF64); }

constexpr int kSteps = 5;

/// One gradient a step.
Tensors gradients(std::int64_t n) {
  Tensors g;
  for (std::uint64_t t = 0; t < kSteps; ++t) g.push_back(normal({n}, 10 + t));
  return g;
}

TEST(SgdStep, MatchesReferenceOverSeveralSteps) {
  const SgdOptions options[] = {
      {.lr = 0.1, .momentum = 0, .weight_decay = 0},
      {.lr = 0.1, .momentum = 0.9, .weight_decay = 0},
      {.lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4},
      {.lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true},
      {.lr = 0.1, .momentum = 0, .weight_decay = 1e-2},
  };
  for (const SgdOptions& o : options) {
    for (const std::int64_t n : {1, 37, 4099}) {
      expect_matches_reference({
          .in = gradients(n),
          .out = {{.name = "w", .shape = {n}, .terms = kSteps, .initial = normal({n}, 1)},
                  {.name = "v", .shape = {n}, .terms = kSteps, .initial = full({n}, 0)}},
          .run =
              [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
                for (const Tensor& g : in) sgd_step(ctx, o, g, out[0], out[1]);
              },
      });
    }
  }
}

TEST(SgdStep, NeedsNoVelocityWithoutMomentum) {
  const SgdOptions o{.lr = 0.1, .momentum = 0, .weight_decay = 1e-3};
  const Tensors g = gradients(19);
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend);
    const Tensor grad = converted(g[0], DType::kF32, host_memory());
    const Tensor start = converted(normal({19}, 1), DType::kF32, host_memory());
    Tensor with = start.clone(host_memory()), without = start.clone(host_memory()), none;
    Tensor v = Tensor::zeros(host_memory(), {19});
    sgd_step(ctx, o, grad, with, v);
    sgd_step(ctx, o, grad, without, none);
    EXPECT_TRUE(same_bits(with, without)) << name(backend);
    EXPECT_FALSE(same_bits(with, start)) << name(backend);
  }
}

// By hand: lr 0.5, momentum 0.5, wd 0.1, w = 2, g = 1:
//   g' = 1.2; v = 1.2; w = 2 - 0.6 = 1.4;  then g' = 1.14; v = 1.74; w = 0.53.
// Nesterov: w = 2 - 0.5 * (1.2 + 0.6) = 1.1; then g' = 1.11; v = 1.71; w = 1.1 - 0.5 * 1.965 =
// 0.1175.
TEST(SgdStep, FollowsItsFormula) {
  Context ctx(Backend::kRef);
  const Tensor g = full({1}, 1);
  for (const bool nesterov : {false, true}) {
    const SgdOptions o{.lr = 0.5, .momentum = 0.5, .weight_decay = 0.1, .nesterov = nesterov};
    Tensor w = full({1}, 2), v = full({1}, 0);
    sgd_step(ctx, o, g, w, v);
    EXPECT_NEAR(w.ptr<double>()[0], nesterov ? 1.1 : 1.4, 1e-12);
    sgd_step(ctx, o, g, w, v);
    EXPECT_NEAR(w.ptr<double>()[0], nesterov ? 0.1175 : 0.53, 1e-12);
  }
}

TEST(AdamStep, MatchesReferenceOverSeveralSteps) {
  const AdamOptions options[] = {
      {},
      {.lr = 1e-2, .weight_decay = 1e-2},
      {.lr = 1e-2, .weight_decay = 1e-2, .decoupled = true},
      {.lr = 1e-2, .beta1 = 0.5, .beta2 = 0.9, .eps = 1e-3},
  };
  for (const AdamOptions& o : options) {
    for (const std::int64_t n : {1, 37, 4099}) {
      const Tensor zero = full({n}, 0);
      expect_matches_reference({
          .in = gradients(n),
          .out = {{.name = "w", .shape = {n}, .terms = kSteps, .initial = normal({n}, 1)},
                  {.name = "m", .shape = {n}, .terms = kSteps, .initial = zero},
                  {.name = "v", .shape = {n}, .terms = kSteps, .initial = zero}},
          .run =
              [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
                std::int64_t step = 0;
                for (const Tensor& g : in) adam_step(ctx, o, ++step, g, out[0], out[1], out[2]);
              },
      });
    }
  }
}

// The first step moves every weight by lr against the sign of its gradient, whatever its size;
// weight decay joins the gradient in Adam and stands apart in AdamW (Loshchilov & Hutter 2019).
TEST(AdamStep, FirstStepIsSignTimesLr) {
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend);
    const Tensor g = converted(normal({16}, 1, 100), DType::kF32, host_memory());
    Tensor w = converted(full({16}, 1), DType::kF32, host_memory());
    Tensor m = Tensor::zeros(host_memory(), {16}), v = Tensor::zeros(host_memory(), {16});
    adam_step(ctx, {.lr = 0.25, .weight_decay = 0.5, .decoupled = true}, 1, g, w, m, v);
    for (int i = 0; i < 16; ++i) {
      EXPECT_NEAR(w.ptr<float>()[i], 0.875 - std::copysign(0.25, g.ptr<float>()[i]), 1e-6) << i;
    }
  }
}

TEST(AdamStep, CorrectsBiasByTheTrainersClock) {
  Context ctx(Backend::kRef);
  const Tensor g = full({1}, 1);
  const auto moved = [&](std::int64_t step) {
    Tensor w = full({1}, 0), m = full({1}, 0), v = full({1}, 0);
    adam_step(ctx, {.lr = 1, .eps = 0}, step, g, w, m, v);
    return -w.ptr<double>()[0];
  };
  EXPECT_NEAR(moved(1), 1, 1e-12);
  const double step3 = 0.1 / (1 - std::pow(0.9, 3)) / std::sqrt(0.001 / (1 - std::pow(0.999, 3)));
  EXPECT_NEAR(moved(3), step3, 1e-12);
}

TEST(Optim, RefusesWrongArguments) {
  Context ctx(Backend::kRef);
  const Tensor g = normal({4}, 1);
  Tensor w = f64({4}), v = f64({4}), wrong = f64({5}), none;
  EXPECT_TRUE(refused("sgd_step", "momentum is 0.9", [&] { sgd_step(ctx, {}, g, w, none); }));
  EXPECT_TRUE(refused("sgd_step", "(5)", [&] { sgd_step(ctx, {}, g, wrong, v); }));
  EXPECT_TRUE(
      refused("adam_step", "step must be >= 1", [&] { adam_step(ctx, {}, 0, g, w, v, v); }));
  EXPECT_TRUE(refused("adam_step", "m expects", [&] { adam_step(ctx, {}, 1, g, w, wrong, v); }));
}

}  // namespace
}  // namespace graft::kernels
