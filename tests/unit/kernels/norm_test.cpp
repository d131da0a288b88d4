// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/norm.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/compare.h"
#include "tests/support/gradcheck.h"
#include "tests/support/op_cases.h"
#include "tests/support/op_check.h"
#include "tests/support/refused.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;

const Tensor kNone;

Tensor f64(const Shape& shape) { return Tensor::allocate(host_memory(), shape, DType::kF64); }

BatchNormOptions batch_options(const NormCase& c) { return {.activation = c.activation}; }
GroupNormOptions group_options(const NormCase& c) {
  return {.groups = c.groups, .activation = c.activation};
}

/// Everything a norm is given, f64; statistics and y are those of the reference, rounded to f32.
struct Inputs {
  Tensor x, gamma, beta, residual, running_mean, running_var;  // of the forward
  Tensor y, mean, inv_std, dy, dy2;                            // of the backward

  explicit Inputs(const NormCase& c, NormStats stats = NormStats::kBatch) {
    const Shape per_channel = {c.c};
    x = normal(c.x(), 1, 1.5, c.mean);
    gamma = normal(per_channel, 2, 2, 1);  // some negative, some values beyond 6
    beta = normal(per_channel, 3);
    if (c.residual) residual = normal(c.x(), 4);
    running_mean = normal(per_channel, 5, 0.5, c.mean);
    running_var = uniform(per_channel, 6, 0.5, 2);
    dy = normal(c.x(), 7);
    if (c.dy2) dy2 = normal(c.x(), 8);
    y = f64(c.x());
    const Shape statistics = c.groups > 0 ? Shape{c.n, c.groups} : per_channel;
    mean = f64(statistics);
    inv_std = f64(statistics);
    Context ctx(Backend::kRef);
    forward(ctx, c, stats);
    quantise(y);
    quantise(mean);
    quantise(inv_std);
  }

 private:
  void forward(Context& ctx, const NormCase& c, NormStats stats) {
    if (c.groups > 0) {
      group_norm_fwd(ctx, group_options(c), x, gamma, beta, residual, mean, inv_std, y);
    } else if (stats == NormStats::kBatch) {
      Tensor rm = running_mean.clone(host_memory()), rv = running_var.clone(host_memory());
      batch_norm_fwd_train(ctx, batch_options(c), x, gamma, beta, residual, rm, rv, mean, inv_std,
                           y);
    } else {
      batch_norm_fwd_eval(ctx, batch_options(c), x, gamma, beta, residual, running_mean,
                          running_var, y);
      for (std::int64_t i = 0; i < c.c; ++i) {
        mean.ptr<double>()[i] = running_mean.ptr<double>()[i];
        inv_std.ptr<double>()[i] =
            1 / std::sqrt(running_var.ptr<double>()[i] + batch_options(c).eps);
      }
    }
  }
};

double terms(const NormCase& c) { return static_cast<double>(c.set()); }
double terms_param(const NormCase& c) { return static_cast<double>(c.n * c.h * c.w); }

/// Calls the backward of the case's norm on in = {x, gamma, beta, y, mean, inv_std, dy, dy2} with
/// one mode for all of out = {dx, dgamma, dbeta, dresidual where there is a residual}.
void run_bwd(Context& ctx, const NormCase& c, NormStats stats, GradMode mode, const Tensors& in,
             Tensors& out) {
  Tensor none;
  const NormBackward args{.x = in[0],
                          .y = in[3],
                          .gamma = in[1],
                          .beta = in[2],
                          .mean = in[4],
                          .inv_std = in[5],
                          .dy = in[6],
                          .dy2 = in[7],
                          .has_residual = c.residual,
                          .dx_mode = mode,
                          .dresidual_mode = c.residual ? mode : GradMode::kSkip,
                          .param_mode = mode};
  Tensor& dresidual = c.residual ? out[3] : none;
  if (c.groups > 0) {
    group_norm_bwd(ctx, group_options(c), args, out[0], dresidual, out[1], out[2]);
  } else {
    batch_norm_bwd(ctx, batch_options(c), stats, args, out[0], dresidual, out[1], out[2]);
  }
}

OpSpec bwd_spec(const NormCase& c, NormStats stats) {
  const Inputs i(c, stats);
  OpSpec spec{
      .in = {i.x, i.gamma, i.beta, i.y, i.mean, i.inv_std, i.dy, i.dy2},
      .out = {{.name = "dx", .shape = c.x(), .terms = terms(c)},
              {.name = "dgamma", .shape = {c.c}, .terms = terms_param(c)},
              {.name = "dbeta", .shape = {c.c}, .terms = terms_param(c)}},
      .run = [c, stats](Context& ctx, GradMode mode, const Tensors& in,
                        Tensors& out) { run_bwd(ctx, c, stats, mode, in, out); },
      .has_mode = true,
  };
  if (c.residual) spec.out.push_back({.name = "dresidual", .shape = c.x(), .terms = 1});
  return spec;
}

/// Finite-difference gap of the case's forward; x = {x, gamma, beta, residual}.
double gradient_gap(const NormCase& c, NormStats stats) {
  Context ctx(Backend::kRef);
  const Inputs i(c, stats);
  Tensor y = f64(c.x()), mean = i.mean.clone(host_memory()),
         inv_std = i.inv_std.clone(host_memory());
  const auto forward = [&](const Tensors& x) -> Tensors {
    const Tensor& residual = c.residual ? x[3] : kNone;
    if (c.groups > 0) {
      group_norm_fwd(ctx, group_options(c), x[0], x[1], x[2], residual, mean, inv_std, y);
    } else if (stats == NormStats::kBatch) {
      Tensor rm = i.running_mean.clone(host_memory()), rv = i.running_var.clone(host_memory());
      batch_norm_fwd_train(ctx, batch_options(c), x[0], x[1], x[2], residual, rm, rv, mean, inv_std,
                           y);
    } else {
      batch_norm_fwd_eval(ctx, batch_options(c), x[0], x[1], x[2], residual, i.running_mean,
                          i.running_var, y);
    }
    const Tensor copy = y.clone(host_memory());
    return c.dy2 ? Tensors{copy, copy} : Tensors{copy};
  };
  const auto backward = [&](const Tensors& x, const Tensors& u) {
    if (stats == NormStats::kRunning) {  // constants, exact: Inputs holds them rounded
      for (std::int64_t k = 0; k < c.c; ++k) {
        inv_std.ptr<double>()[k] =
            1 / std::sqrt(i.running_var.ptr<double>()[k] + batch_options(c).eps);
      }
    }
    forward(x);
    Tensors g = {f64(c.x()), f64({c.c}), f64({c.c})};
    if (c.residual) g.push_back(f64(c.x()));
    run_bwd(ctx, c, stats, GradMode::kOverwrite,
            {x[0], x[1], x[2], y, mean, inv_std, u[0], c.dy2 ? u[1] : Tensor()}, g);
    return g;
  };
  Tensors x = {i.x, i.gamma, i.beta};
  if (c.residual) x.push_back(i.residual);
  return vjp_gap(forward, backward, x);
}

class BatchNormFwdTrain : public ::testing::TestWithParam<NormCase> {};
class BatchNormFwdEval : public ::testing::TestWithParam<NormCase> {};
class BatchNormBwd : public ::testing::TestWithParam<NormCase> {};
class GroupNormFwd : public ::testing::TestWithParam<NormCase> {};
class GroupNormBwd : public ::testing::TestWithParam<NormCase> {};

TEST_P(BatchNormFwdTrain, MatchesReference) {
  const NormCase& c = GetParam();
  const Inputs i(c);
  expect_matches_reference({
      .in = {i.x, i.gamma, i.beta, i.residual},
      .out =
          {{.name = "y", .shape = c.x(), .terms = terms(c)},
           {.name = "mean", .shape = {c.c}, .terms = terms(c)},
           {.name = "inv_std", .shape = {c.c}, .terms = terms(c)},
           {.name = "running_mean", .shape = {c.c}, .terms = terms(c), .initial = i.running_mean},
           {.name = "running_var", .shape = {c.c}, .terms = terms(c), .initial = i.running_var}},
      .run =
          [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
            batch_norm_fwd_train(ctx, batch_options(c), in[0], in[1], in[2], in[3], out[3], out[4],
                                 out[1], out[2], out[0]);
          },
  });
}

TEST_P(BatchNormFwdTrain, BackwardMatchesFiniteDifferences) {
  EXPECT_LT(gradient_gap(GetParam(), NormStats::kBatch), 1e-6);
}

TEST_P(BatchNormFwdEval, MatchesReference) {
  const NormCase& c = GetParam();
  const Inputs i(c, NormStats::kRunning);
  expect_matches_reference({
      .in = {i.x, i.gamma, i.beta, i.residual, i.running_mean, i.running_var},
      .out = {{.name = "y", .shape = c.x(), .terms = 4}},
      .run =
          [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
            batch_norm_fwd_eval(ctx, batch_options(c), in[0], in[1], in[2], in[3], in[4], in[5],
                                out[0]);
          },
  });
}

TEST_P(BatchNormFwdEval, BackwardMatchesFiniteDifferences) {
  EXPECT_LT(gradient_gap(GetParam(), NormStats::kRunning), 1e-6);
}

TEST_P(BatchNormBwd, MatchesReferenceWithBatchStatistics) {
  expect_matches_reference(bwd_spec(GetParam(), NormStats::kBatch));
}

TEST_P(BatchNormBwd, MatchesReferenceWithRunningStatistics) {
  expect_matches_reference(bwd_spec(GetParam(), NormStats::kRunning));
}

TEST_P(BatchNormBwd, MatchesReferenceWithStatisticsOfALargerBatch) {
  expect_matches_reference(bwd_spec(GetParam(), NormStats::kSubset));
}

TEST_P(GroupNormFwd, MatchesReference) {
  const NormCase& c = GetParam();
  const Inputs i(c);
  const Shape statistics = {c.n, c.groups};
  expect_matches_reference({
      .in = {i.x, i.gamma, i.beta, i.residual},
      .out = {{.name = "y", .shape = c.x(), .terms = terms(c)},
              {.name = "mean", .shape = statistics, .terms = terms(c)},
              {.name = "inv_std", .shape = statistics, .terms = terms(c)}},
      .run =
          [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
            group_norm_fwd(ctx, group_options(c), in[0], in[1], in[2], in[3], out[1], out[2],
                           out[0]);
          },
  });
}

TEST_P(GroupNormFwd, BackwardMatchesFiniteDifferences) {
  EXPECT_LT(gradient_gap(GetParam(), NormStats::kBatch), 1e-6);
}

TEST_P(GroupNormBwd, MatchesReference) {
  expect_matches_reference(bwd_spec(GetParam(), NormStats::kBatch));
}

INSTANTIATE_TEST_SUITE_P(, BatchNormFwdTrain, ::testing::ValuesIn(batch_norm_cases()), IdOf());
INSTANTIATE_TEST_SUITE_P(, BatchNormFwdEval, ::testing::ValuesIn(batch_norm_cases()), IdOf());
INSTANTIATE_TEST_SUITE_P(, BatchNormBwd, ::testing::ValuesIn(batch_norm_cases()), IdOf());
INSTANTIATE_TEST_SUITE_P(, GroupNormFwd, ::testing::ValuesIn(group_norm_cases()), IdOf());
INSTANTIATE_TEST_SUITE_P(, GroupNormBwd, ::testing::ValuesIn(group_norm_cases()), IdOf());

constexpr NormCase kResidual{
    .n = 3, .h = 4, .w = 5, .c = 16, .activation = Activation::kRelu, .residual = true};

// Values worked out by hand: x = {1, 3} and eps 0 give mean 2, var 1 (biased), 2 (unbiased).
TEST(BatchNorm, TrainsOnBiasedAndTracksUnbiasedVariance) {
  Context ctx(Backend::kRef);
  Tensor x = f64({2, 1, 1, 1}), y = f64({2, 1, 1, 1}), mean = f64({1}), inv_std = f64({1});
  x.ptr<double>()[0] = 1;
  x.ptr<double>()[1] = 3;
  Tensor running_mean = full({1}, 10), running_var = full({1}, 4);
  batch_norm_fwd_train(ctx, {.eps = 0, .momentum = 0.25}, x, full({1}, 2), full({1}, 5), kNone,
                       running_mean, running_var, mean, inv_std, y);
  EXPECT_DOUBLE_EQ(y.ptr<double>()[0], 3);
  EXPECT_DOUBLE_EQ(y.ptr<double>()[1], 7);
  EXPECT_DOUBLE_EQ(mean.ptr<double>()[0], 2);
  EXPECT_DOUBLE_EQ(inv_std.ptr<double>()[0], 1);
  EXPECT_DOUBLE_EQ(running_mean.ptr<double>()[0], 8);
  EXPECT_DOUBLE_EQ(running_var.ptr<double>()[0], 3.5);
}

// xhat = (3 - 1) / 2 = 1, so 2 * 1 + 5 = 7 meets the residual, and the activation comes last.
TEST(BatchNorm, EvaluatesThenAddsThenActivates) {
  Context ctx(Backend::kRef);
  const auto value = [&](Activation activation, double residual) {
    Tensor y = f64({1, 1, 1, 1});
    batch_norm_fwd_eval(ctx, {.eps = 0, .activation = activation}, full({1, 1, 1, 1}, 3),
                        full({1}, 2), full({1}, 5), full({1, 1, 1, 1}, residual), full({1}, 1),
                        full({1}, 4), y);
    return y.ptr<double>()[0];
  };
  EXPECT_EQ(value(Activation::kNone, -10), -3);
  EXPECT_EQ(value(Activation::kRelu, -10), 0);
  EXPECT_EQ(value(Activation::kRelu, 1), 8);
  EXPECT_EQ(value(Activation::kRelu6, -3), 4);
  EXPECT_EQ(value(Activation::kRelu6, 1), 6);
}

TEST(GroupNorm, NormalisesNeighbouringChannelsOfOneExample) {
  Context ctx(Backend::kRef);
  Tensor x = f64({1, 1, 1, 4}), y = f64({1, 1, 1, 4}), mean = f64({1, 2}), inv_std = f64({1, 2});
  const double values[] = {1, 3, 10, 30}, want[] = {-1, 1, -1, 1};
  copy_from_host(ctx, values, x);
  group_norm_fwd(ctx, {.groups = 2, .eps = 0}, x, full({4}, 1), full({4}, 0), kNone, mean, inv_std,
                 y);
  for (int i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(y.ptr<double>()[i], want[i]) << i;
  EXPECT_DOUBLE_EQ(mean.ptr<double>()[1], 20);
  EXPECT_DOUBLE_EQ(inv_std.ptr<double>()[1], 0.1);
}

TEST(BatchNorm, YMayBeTheResidual) {
  const Inputs i(kResidual);
  expect_matches_reference({
      .in = {i.x, i.gamma, i.beta, i.running_mean, i.running_var},
      .out = {{.name = "train y",
               .shape = kResidual.x(),
               .terms = terms(kResidual),
               .initial = i.residual},
              {.name = "eval y", .shape = kResidual.x(), .terms = 4, .initial = i.residual}},
      .run =
          [&](Context& ctx, GradMode, const Tensors& in, Tensors& out) {
            Tensor rm = in[3].clone(host_memory()), rv = in[4].clone(host_memory());
            Tensor mean = rm.clone(host_memory()), inv_std = rm.clone(host_memory());
            batch_norm_fwd_train(ctx, batch_options(kResidual), in[0], in[1], in[2], out[0], rm, rv,
                                 mean, inv_std, out[0]);
            batch_norm_fwd_eval(ctx, batch_options(kResidual), in[0], in[1], in[2], out[1], in[3],
                                in[4], out[1]);
          },
  });
}

TEST(BatchNorm, DresidualMayBeDy) {
  for (const NormStats stats : {NormStats::kBatch, NormStats::kRunning}) {
    OpSpec spec = bwd_spec(kResidual, stats);
    const auto run = spec.run;
    spec.out[3].initial = spec.in[6];
    spec.has_mode = false;
    spec.run = [run](Context& ctx, GradMode mode, const Tensors& in, Tensors& out) {
      Tensors with_alias = in;
      with_alias[6] = out[3];
      run(ctx, mode, with_alias, out);
    };
    expect_matches_reference(spec);
    const Tensor dy = spec.in[6];
    Context ctx(Backend::kCpu);
    Tensors apart = {f64(kResidual.x()), f64({16}), f64({16}), f64(kResidual.x())};
    Tensors same = {f64(kResidual.x()), f64({16}), f64({16}), dy.clone(host_memory())};
    run(ctx, GradMode::kOverwrite, spec.in, apart);
    spec.run(ctx, GradMode::kOverwrite, spec.in, same);
    for (std::size_t k = 0; k < same.size(); ++k) EXPECT_TRUE(same_bits(same[k], apart[k])) << k;
  }
}

// Each gradient alone is the one that comes out of asking for all.
TEST(BatchNorm, GradModesAreIndependent) {
  const Inputs i(kResidual);
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Context ctx(backend, 2);
    Tensors in = {i.x, i.gamma, i.beta, i.y, i.mean, i.inv_std, i.dy, i.dy2};
    for (Tensor& t : in) t = converted(t, DType::kF32, host_memory());
    const auto fresh = [] {
      Tensors out;
      for (const Shape& s : {kResidual.x(), Shape{16}, Shape{16}, kResidual.x()}) {
        out.push_back(Tensor::zeros(host_memory(), s));
      }
      return out;
    };
    Tensors all = fresh();
    run_bwd(ctx, kResidual, NormStats::kBatch, GradMode::kOverwrite, in, all);
    for (int wanted = 0; wanted < 3; ++wanted) {
      const auto mode = [&](int k) { return k == wanted ? GradMode::kOverwrite : GradMode::kSkip; };
      const NormBackward args{.x = in[0],
                              .y = in[3],
                              .gamma = in[1],
                              .beta = in[2],
                              .mean = in[4],
                              .inv_std = in[5],
                              .dy = in[6],
                              .dy2 = in[7],
                              .has_residual = true,
                              .dx_mode = mode(0),
                              .dresidual_mode = mode(1),
                              .param_mode = mode(2)};
      Tensors out = fresh();
      Tensor none;
      batch_norm_bwd(ctx, batch_options(kResidual), NormStats::kBatch, args,
                     wanted == 0 ? out[0] : none, wanted == 1 ? out[3] : none,
                     wanted == 2 ? out[1] : none, wanted == 2 ? out[2] : none);
      const double rel = tolerance(DType::kF32, terms(kResidual));
      const int mode_of[] = {0, 2, 2, 1};  // dx, dgamma, dbeta, dresidual
      for (std::size_t k = 0; k < out.size(); ++k) {
        const Tensor untouched = Tensor::zeros(host_memory(), out[k].shape());
        EXPECT_TRUE(within(out[k], mode_of[k] == wanted ? all[k] : untouched, rel))
            << name(backend);
      }
    }
  }
}

// Rows are independent under running statistics and under group norm, and coupled under batch norm.
TEST(BatchNorm, OnlyBatchStatisticsCoupleRows) {
  const auto dx_of_row_1 = [](const NormCase& c, NormStats stats, bool change_row_0) {
    Inputs i(c, stats);
    if (change_row_0) {
      for (std::int64_t k = 0; k < c.x().row_numel(); ++k) i.dy.ptr<double>()[k] += 1;
    }
    Context ctx(Backend::kRef);
    Tensors out = {f64(c.x()), f64({c.c}), f64({c.c}), f64(c.x())};
    run_bwd(ctx, c, stats, GradMode::kOverwrite,
            {i.x, i.gamma, i.beta, i.y, i.mean, i.inv_std, i.dy, i.dy2}, out);
    return out[0].rows(1, 1).clone(host_memory());
  };
  NormCase group = kResidual;
  group.groups = 4;
  const auto coupled = [&](const NormCase& c, NormStats stats) {
    return !same_bits(dx_of_row_1(c, stats, false), dx_of_row_1(c, stats, true));
  };
  EXPECT_TRUE(coupled(kResidual, NormStats::kBatch));
  EXPECT_FALSE(coupled(kResidual, NormStats::kRunning));
  EXPECT_FALSE(coupled(group, NormStats::kBatch));
}

TEST(BatchNorm, RefusesWrongArguments) {
  Context ctx(Backend::kRef);
  const Tensor x = normal({2, 3, 3, 4}, 1), c4 = normal({4}, 2), c5 = normal({5}, 3);
  Tensor y = f64({2, 3, 3, 4}), rm = f64({4}), rv = f64({4}), mean = f64({4}), inv_std = f64({4});
  EXPECT_TRUE(refused("batch_norm_fwd_train", "gamma expects shape (4), got (5)", [&] {
    batch_norm_fwd_train(ctx, {}, x, c5, c4, kNone, rm, rv, mean, inv_std, y);
  }));
  EXPECT_TRUE(refused("batch_norm_fwd_train", "residual", [&] {
    batch_norm_fwd_train(ctx, {}, x, c4, c4, c4, rm, rv, mean, inv_std, y);
  }));
  EXPECT_TRUE(refused("batch_norm_fwd_eval", "running_var",
                      [&] { batch_norm_fwd_eval(ctx, {}, x, c4, c4, kNone, c4, c5, y); }));
  const NormBackward args{.x = x,
                          .y = kNone,
                          .gamma = c4,
                          .beta = c4,
                          .mean = c4,
                          .inv_std = c4,
                          .dy = c4,
                          .dy2 = kNone};
  Tensor none;
  EXPECT_TRUE(refused("batch_norm_bwd", "dy",
                      [&] { batch_norm_bwd(ctx, {}, NormStats::kBatch, args, y, none, rm, rv); }));
}

TEST(GroupNorm, RefusesWrongArguments) {
  Context ctx(Backend::kRef);
  const Tensor x = normal({2, 3, 3, 4}, 1), c4 = normal({4}, 2);
  Tensor y = f64({2, 3, 3, 4}), mean = f64({2, 2}), inv_std = f64({2, 2});
  EXPECT_TRUE(refused("group_norm_fwd", "groups=3 does not divide C=4", [&] {
    group_norm_fwd(ctx, {.groups = 3}, x, c4, c4, kNone, mean, inv_std, y);
  }));
  EXPECT_TRUE(refused("group_norm_fwd", "mean", [&] {
    group_norm_fwd(ctx, {.groups = 4}, x, c4, c4, kNone, mean, inv_std, y);
  }));
  const NormBackward args{.x = x,
                          .y = kNone,
                          .gamma = c4,
                          .beta = c4,
                          .mean = c4,
                          .inv_std = c4,
                          .dy = x,
                          .dy2 = kNone};
  Tensor none, dgamma = f64({4}), dbeta = f64({4});
  EXPECT_TRUE(refused("group_norm_bwd", "mean",
                      [&] { group_norm_bwd(ctx, {.groups = 2}, args, y, none, dgamma, dbeta); }));
}

}  // namespace
}  // namespace graft::kernels
