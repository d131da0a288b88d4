// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/optim.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/api/reduce.h"
#include "tests/support/device.h"
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

/// f32 numbers on the device of a context, and back.
struct OnDevice {
  Context& ctx;
  Tensor put(const Tensor& f64_values) {
    const Tensor host = converted(f64_values, DType::kF32, host_memory());
    Tensor t = Tensor::allocate(ctx.memory(), host.shape());
    copy_from_host(ctx, host.data(), t);
    return t;
  }
  Tensor put(const UpdateControl& control) {
    Tensor t = Tensor::allocate(ctx.memory(), {sizeof control}, DType::kU8);
    copy_from_host(ctx, &control, t);
    return t;
  }
  Tensor get(const Tensor& t) {
    Tensor host = Tensor::allocate(host_memory(), t.shape(), t.dtype());
    copy_to_host(ctx, t, host.data());
    return host;
  }
  UpdateControl get_control(const Tensor& t) {
    UpdateControl control;
    copy_to_host(ctx, t, &control);
    return control;
  }
};

const UpdateControl* at(const Tensor& t) { return static_cast<const UpdateControl*>(t.data()); }

// What the device reads makes the same bits as what the host hands over; unless it says no.
TEST(OptimUnderControl, SgdMatchesReferenceOfTheHost) {
  const auto ctx = cuda_context();
  GRAFT_SKIP_WITHOUT(ctx);
  OnDevice on{*ctx};
  for (const std::int64_t n : {37, 4096}) {
    SgdOptions o{.lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true};
    const Tensor g = on.put(normal({n}, 2));
    Tensor w = on.put(normal({n}, 1)), v = on.put(normal({n}, 3));
    Tensor w2 = on.put(normal({n}, 1)), v2 = on.put(normal({n}, 3));
    sgd_step(*ctx, o, g, w, v);
    UpdateControl control = update_control(o);
    const Tensor yes = on.put(control);
    control.go = 0;
    const Tensor no = on.put(control);
    o.lr = 1e9;  // not what counts
    o.control = at(no);
    sgd_step(*ctx, o, g, w2, v2);
    EXPECT_TRUE(same_bits(on.get(w2), converted(normal({n}, 1), DType::kF32, host_memory())));
    o.control = at(yes);
    sgd_step(*ctx, o, g, w2, v2);
    EXPECT_TRUE(same_bits(on.get(w), on.get(w2))) << n;
    EXPECT_TRUE(same_bits(on.get(v), on.get(v2))) << n;
  }
}

TEST(OptimUnderControl, AdamMatchesReferenceOfTheHost) {
  const auto ctx = cuda_context();
  GRAFT_SKIP_WITHOUT(ctx);
  OnDevice on{*ctx};
  AdamOptions o{.lr = 1e-2, .weight_decay = 1e-2, .decoupled = true};
  const Tensor g = on.put(normal({100}, 2)), zero = full({100}, 0);
  Tensor w = on.put(normal({100}, 1)), m = on.put(zero), v = on.put(zero);
  Tensor w2 = on.put(normal({100}, 1)), m2 = on.put(zero), v2 = on.put(zero);
  for (int step = 1; step <= 3; ++step) {
    const Tensor control = on.put(update_control(o, step));
    AdamOptions by_control = o;
    by_control.lr = 0;
    by_control.control = at(control);
    adam_step(*ctx, o, step, g, w, m, v);
    adam_step(*ctx, by_control, 1, g, w2, m2, v2);
  }
  EXPECT_TRUE(same_bits(on.get(w), on.get(w2)));
}

TEST(JudgeUpdate, MatchesReferenceSumAndFindsWhatIsNotFinite) {
  const auto ctx = cuda_context();
  GRAFT_SKIP_WITHOUT(ctx);
  OnDevice on{*ctx};
  for (const std::int64_t n : {1, 1000, 100003}) {
    const Tensor g = on.put(normal({n}, 1)), loss = on.put(normal({70}, 2));
    Tensor control = on.put(UpdateControl{.lr = 0.5F, .go = 0});
    judge_update(*ctx, loss, g, control);
    EXPECT_EQ(on.get_control(control).sum_squares, sum_squares(*ctx, g)) << n;
    EXPECT_EQ(on.get_control(control).go, 1) << n;
    EXPECT_EQ(on.get_control(control).lr, 0.5F) << n;
  }
  for (const double bad :
       {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    for (const bool in_loss : {true, false}) {
      Tensor loss = normal({70}, 2), g = normal({500}, 1);
      (in_loss ? loss : g).ptr<double>()[69] = bad;
      Tensor control = on.put(UpdateControl{});
      judge_update(*ctx, on.put(loss), on.put(g), control);
      EXPECT_EQ(on.get_control(control).go, 0) << bad << " in loss " << in_loss;
    }
  }
}

TEST(Optim, RefusesAControlWhereThereIsNoDevice) {
  Context ctx(Backend::kCpu);
  const UpdateControl control;
  Tensor g = Tensor::zeros(host_memory(), {4}), w = Tensor::zeros(host_memory(), {4}),
         v = Tensor::zeros(host_memory(), {4});
  EXPECT_TRUE(refused("sgd_step", "takes no UpdateControl",
                      [&] { sgd_step(ctx, {.control = &control}, g, w, v); }));
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
