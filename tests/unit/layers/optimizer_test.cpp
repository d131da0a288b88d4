// SPDX-License-Identifier: Apache-2.0
#include "layers/optim/optimizer.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tensors.h"

namespace graft {
namespace {

/// Two parameters, one behind the other in the block, with given values and gradients.
struct Two {
  explicit Two(double w0 = 1, double g0 = 0.5) {
    set(0, w0, g0);
    set(1, -2, 0.25);
  }
  void set(ParamId id, double w, double g) {
    store.entry(id).value.ptr<double>()[0] = w;
    store.entry(id).grad.ptr<double>()[0] = g;
  }
  [[nodiscard]] double w(ParamId id) const { return store.entry(id).value.ptr<double>()[0]; }

  Context ctx{Backend::kRef};
  ParamStore store{
      ctx, {{"a", {.name = "a", .shape = {1}}}, {"b", {.name = "b", .shape = {1}}}}, DType::kF64};
};

TEST(Sgd, PlainStepWithWeightDecay) {
  Two p;
  Optimizer o(p.ctx, {.momentum = 0, .nesterov = false, .weight_decay = 0.1}, p.store);
  o.step(p.ctx, 0.2, 1);
  EXPECT_DOUBLE_EQ(p.w(0), 1 - 0.2 * (0.5 + 0.1 * 1));
  EXPECT_DOUBLE_EQ(p.w(1), -2 - 0.2 * (0.25 - 0.2));
}

TEST(Sgd, MomentumOverThreeSteps) {
  Two p;
  Optimizer o(p.ctx, {.momentum = 0.9, .nesterov = false, .weight_decay = 0}, p.store);
  double w = 1, v = 0;
  for (int step = 1; step <= 3; ++step) {
    o.step(p.ctx, 0.1, step);
    v = 0.9 * v + 0.5;
    w -= 0.1 * v;
    EXPECT_NEAR(p.w(0), w, 1e-15);
  }
  EXPECT_EQ(o.state().size(), 1u);
  EXPECT_EQ(o.state()[0].name, "momentum");
  EXPECT_NEAR(o.state()[0].block.ptr<double>()[0], v, 1e-15);
}

TEST(Sgd, NesterovOverTwoSteps) {
  Two p;
  Optimizer o(p.ctx, {.momentum = 0.9, .nesterov = true, .weight_decay = 0}, p.store);
  o.step(p.ctx, 0.1, 1);
  EXPECT_NEAR(p.w(0), 1 - 0.1 * (0.5 + 0.9 * 0.5), 1e-15);
  const double before = p.w(0), v = 0.9 * 0.5 + 0.5;
  o.step(p.ctx, 0.1, 2);
  EXPECT_NEAR(p.w(0), before - 0.1 * (0.5 + 0.9 * v), 1e-15);
}

TEST(Adam, FirstStepMovesByTheRate) {
  Two p;
  Optimizer o(p.ctx, {.name = "adam", .weight_decay = 0, .eps = 0}, p.store);
  o.step(p.ctx, 0.01, 1);
  EXPECT_NEAR(p.w(0), 1 - 0.01, 1e-12);
  EXPECT_NEAR(p.w(1), -2 - 0.01, 1e-12);
}

TEST(Adam, SecondStepByHand) {
  Two p;
  Optimizer o(p.ctx, {.name = "adam", .weight_decay = 0}, p.store);
  o.step(p.ctx, 0.01, 1);
  const double w1 = p.w(0);
  p.set(0, w1, -1);
  o.step(p.ctx, 0.01, 2);
  const double m = 0.9 * (0.1 * 0.5) + 0.1 * -1, v = 0.999 * (0.001 * 0.25) + 0.001;
  const double m_hat = m / (1 - 0.81), v_hat = v / (1 - 0.999 * 0.999);
  EXPECT_NEAR(p.w(0), w1 - 0.01 * m_hat / (std::sqrt(v_hat) + 1e-8), 1e-12);
}

TEST(Adam, CoupledAndDecoupledDecayDiffer) {
  Two coupled, decoupled;
  Optimizer a(coupled.ctx, {.name = "adam", .weight_decay = 0.1}, coupled.store);
  Optimizer w(decoupled.ctx, {.name = "adamw", .weight_decay = 0.1}, decoupled.store);
  a.step(coupled.ctx, 0.01, 1);
  w.step(decoupled.ctx, 0.01, 1);
  EXPECT_NEAR(coupled.w(0), 1 - 0.01, 1e-9);  // the first step has the sign of g + wd*w only
  EXPECT_NEAR(decoupled.w(0), 1 * (1 - 0.01 * 0.1) - 0.01, 1e-9);
}

TEST(Optimizer, LeavesGradientsAloneAndMovesTheVersion) {
  for (const char* name : {"sgd", "adam", "adamw"}) {
    Two p;
    Optimizer o(p.ctx, {.name = name}, p.store);
    const Tensor before = p.store.grads().clone(host_memory());
    const auto version = p.store.version();
    o.step(p.ctx, 0.1, 1);
    EXPECT_TRUE(testing::same_bits(p.store.grads(), before));
    EXPECT_GT(p.store.version(), version);
  }
}

TEST(Optimizer, StartsBehindAFrozenStem) {
  Two p;
  Optimizer o(p.ctx, {}, p.store);
  const auto begin = p.store.entry(1).value.ptr<double>() - p.store.values().ptr<double>();
  o.step(p.ctx, 0.1, 1, begin);
  EXPECT_EQ(p.w(0), 1);
  EXPECT_NE(p.w(1), -2);
}

TEST(Optimizer, RefusesAnUnknownName) {
  Two p;
  try {
    Optimizer o(p.ctx, {.name = "sdg"}, p.store);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kUsage);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("sgd, adam, adamw"));
  }
}

}  // namespace
}  // namespace graft
