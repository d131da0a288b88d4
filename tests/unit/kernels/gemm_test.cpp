// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/gemm.h"

#include <gtest/gtest.h>

#include "tests/support/gradcheck.h"
#include "tests/support/op_cases.h"
#include "tests/support/op_check.h"
#include "tests/support/refused.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

Tensor f64(const Shape& shape) { return Tensor::allocate(host_memory(), shape, DType::kF64); }

Tensor bias_of(const LinearCase& c) { return c.bias ? normal({c.k}, 3) : Tensor(); }

class LinearFwd : public ::testing::TestWithParam<LinearCase> {};
class LinearBwdData : public ::testing::TestWithParam<LinearCase> {};
class LinearBwdWeight : public ::testing::TestWithParam<LinearCase> {};

TEST_P(LinearFwd, MatchesReference) {
  const LinearCase& c = GetParam();
  expect_matches_reference({
      .in = {normal({c.n, c.c}, 1), normal({c.k, c.c}, 2), bias_of(c)},
      .out = {{.name = "y", .shape = {c.n, c.k}, .terms = static_cast<double>(c.c)}},
      .run = [](Context& ctx, GradMode, const Tensors& in,
                Tensors& out) { linear_fwd(ctx, in[0], in[1], in[2], /*w_version=*/1, out[0]); },
  });
}

TEST_P(LinearBwdData, MatchesReference) {
  const LinearCase& c = GetParam();
  expect_matches_reference({
      .in = {normal({c.n, c.k}, 1), normal({c.k, c.c}, 2)},
      .out = {{.name = "dx", .shape = {c.n, c.c}, .terms = static_cast<double>(c.k)}},
      .run =
          [](Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
            linear_bwd_data(ctx, in[0], in[1], /*w_version=*/1, mode, out[0]);
          },
      .has_mode = true,
  });
}

TEST_P(LinearBwdWeight, MatchesReference) {
  const LinearCase& c = GetParam();
  const auto terms = static_cast<double>(c.n);
  OpSpec spec{
      .in = {normal({c.n, c.c}, 1), normal({c.n, c.k}, 2)},
      .out = {{.name = "dw", .shape = {c.k, c.c}, .terms = terms}},
      .run =
          [&](Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
            Tensor none;
            linear_bwd_weight(ctx, in[0], in[1], mode, out[0], c.bias ? out[1] : none);
          },
      .has_mode = true,
  };
  if (c.bias) spec.out.push_back({.name = "dbias", .shape = {c.k}, .terms = terms});
  expect_matches_reference(spec);
}

TEST_P(LinearFwd, BackwardMatchesFiniteDifferences) {
  const LinearCase& c = GetParam();
  Context ctx(Backend::kRef);
  const Tensor none;
  const auto forward = [&](const Tensors& x) -> Tensors {
    Tensor y = f64({c.n, c.k});
    linear_fwd(ctx, x[0], x[1], c.bias ? x[2] : none, 0, y);
    return {y};
  };
  const auto backward = [&](const Tensors& x, const Tensors& u) -> Tensors {
    Tensors g = {f64({c.n, c.c}), f64({c.k, c.c})};
    Tensor dbias = c.bias ? f64({c.k}) : Tensor();
    linear_bwd_data(ctx, u[0], x[1], 0, GradMode::kOverwrite, g[0]);
    linear_bwd_weight(ctx, x[0], u[0], GradMode::kOverwrite, g[1], dbias);
    if (c.bias) g.push_back(dbias);
    return g;
  };
  Tensors x = {normal({c.n, c.c}, 1), normal({c.k, c.c}, 2)};
  if (c.bias) x.push_back(bias_of(c));
  EXPECT_LT(vjp_gap(forward, backward, x), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(, LinearFwd, ::testing::ValuesIn(linear_cases()), IdOf());
INSTANTIATE_TEST_SUITE_P(, LinearBwdData, ::testing::ValuesIn(linear_cases()), IdOf());
INSTANTIATE_TEST_SUITE_P(, LinearBwdWeight, ::testing::ValuesIn(linear_cases()), IdOf());

TEST(Linear, SeesNewWeightsUnderANewVersion) {
  Context ctx(Backend::kCpu);
  const Tensor none, x = converted(full({2, 8}, 1), DType::kF32, host_memory());
  Tensor w = Tensor::allocate(host_memory(), {4, 8}), y = Tensor::allocate(host_memory(), {2, 4});
  float next = 0;
  for (const int version : {1, 2, 0, 0}) {
    const float weight = ++next;
    for (int i = 0; i < 32; ++i) w.ptr<float>()[i] = weight;
    linear_fwd(ctx, x, w, none, static_cast<std::uint64_t>(version), y);
    EXPECT_EQ(y.ptr<float>()[7], 8 * weight) << version;
  }
}

TEST(Linear, FwdRefusesWrongArguments) {
  Context ctx(Backend::kRef);
  const Tensor none, x = normal({2, 8}, 1), w = normal({4, 8}, 2);
  Tensor y = f64({2, 4}), wide = f64({2, 5});
  EXPECT_TRUE(refused("linear_fwd", "(4, 8), got (4, 7)", [&] {
    linear_fwd(ctx, x, normal({4, 7}, 2), none, 0, y);
  }));
  EXPECT_TRUE(refused("linear_fwd", "(2, 5)", [&] { linear_fwd(ctx, x, w, none, 0, wide); }));
  EXPECT_TRUE(refused("linear_fwd", "bias", [&] { linear_fwd(ctx, x, w, normal({3}, 1), 0, y); }));
  EXPECT_TRUE(refused("linear_fwd", "flatten", [&] {
    linear_fwd(ctx, normal({2, 2, 2, 2}, 1), w, none, 0, y);
  }));
}

TEST(Linear, BwdDataRefusesWrongShapes) {
  Context ctx(Backend::kRef);
  Tensor dx = f64({2, 7});
  EXPECT_TRUE(refused("linear_bwd_data", "weight", [&] {
    linear_bwd_data(ctx, normal({2, 4}, 1), normal({4, 8}, 2), 0, GradMode::kOverwrite, dx);
  }));
}

TEST(Linear, BwdWeightRefusesWrongShapes) {
  Context ctx(Backend::kRef);
  Tensor dw = f64({4, 7}), none;
  EXPECT_TRUE(refused("linear_bwd_weight", "dw", [&] {
    linear_bwd_weight(ctx, normal({2, 8}, 1), normal({2, 4}, 2), GradMode::kOverwrite, dw, none);
  }));
}

}  // namespace
}  // namespace graft::kernels
