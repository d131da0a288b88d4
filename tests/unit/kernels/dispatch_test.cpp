// SPDX-License-Identifier: Apache-2.0
// Which implementation runs. The environment is read once a process, so it is set before main().
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/core/log.h"
#include "kernels/api/conv.h"
#include "kernels/api/gemm.h"
#include "kernels/api/image_ops.h"
#include "kernels/api/norm.h"
#include "kernels/api/optim.h"
#include "kernels/api/pointwise.h"
#include "kernels/api/pool.h"
#include "kernels/api/reduce.h"
#include "kernels/api/rows.h"
#include "kernels/api/softmax_xent.h"
#include "tests/support/tensors.h"

namespace graft::kernels {
namespace {

using namespace graft::testing;
using ::testing::HasSubstr;
using ::testing::Not;

const bool kEnvironment = [] {
  ::setenv("GRAFT_VERBOSE", "dispatch", /*overwrite=*/1);
  ::setenv("GRAFT_IMPL", "accumulate:ref,copy:nonsense", /*overwrite=*/1);
  return true;
}();

constexpr auto kWrite = GradMode::kOverwrite;

Tensor f32(const Shape& shape) {
  return converted(uniform(shape, 1, 0.5, 1.5), DType::kF32, host_memory());
}

/// What dispatch logs while `call` runs; it logs every choice once a process.
template <class F>
std::string logged(F&& call) {
  const auto path = std::filesystem::temp_directory_path() /
                    graft::detail::cat("graft_dispatch_test_", ::getpid(), ".log");
  log::set_file(path.string());
  call();
  log::set_file("");
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  return text.str();
}

void run_convolutions(Context& ctx) {
  Tensor x = f32({2, 4, 4, 8}), w = f32({8, 3, 3, 8}), b = f32({8}), y = f32({2, 2, 2, 8});
  conv_fwd(ctx, {}, x, w, b, 0, y);
  conv_bwd_data(ctx, {}, y, w, 0, kWrite, x);
  conv_bwd_weight(ctx, {}, x, y, kWrite, w, b);
  Tensor lx = f32({2, 8}), lw = f32({4, 8}), lb = f32({4}), ly = f32({2, 4});
  linear_fwd(ctx, lx, lw, lb, 0, ly);
  linear_bwd_data(ctx, ly, lw, 0, kWrite, lx);
  linear_bwd_weight(ctx, lx, ly, kWrite, lw, lb);
}

void run_norms(Context& ctx) {
  const Tensor none, x = f32({2, 4, 4, 8}), gamma = f32({8}), beta = f32({8}),
                     dy = f32({2, 4, 4, 8});
  Tensor y = f32({2, 4, 4, 8}), rm = f32({8}), rv = f32({8}), mean = f32({8}), inv_std = f32({8});
  batch_norm_fwd_train(ctx, {}, x, gamma, beta, none, rm, rv, mean, inv_std, y);
  batch_norm_fwd_eval(ctx, {}, x, gamma, beta, none, rm, rv, y);
  Tensor dx = f32({2, 4, 4, 8}), dresidual, dgamma = f32({8}), dbeta = f32({8});
  const NormBackward args{.x = x,
                          .y = y,
                          .gamma = gamma,
                          .beta = beta,
                          .mean = mean,
                          .inv_std = inv_std,
                          .dy = dy,
                          .dy2 = none};
  batch_norm_bwd(ctx, {}, NormStats::kBatch, args, dx, dresidual, dgamma, dbeta);
  Tensor gmean = f32({2, 2}), ginv = f32({2, 2});
  group_norm_fwd(ctx, {.groups = 2}, x, gamma, beta, none, gmean, ginv, y);
  const NormBackward group{.x = x,
                           .y = y,
                           .gamma = gamma,
                           .beta = beta,
                           .mean = gmean,
                           .inv_std = ginv,
                           .dy = dy,
                           .dy2 = none};
  group_norm_bwd(ctx, {.groups = 2}, group, dx, dresidual, dgamma, dbeta);
}

void run_pools(Context& ctx) {
  Tensor x = f32({2, 4, 4, 8}), y = f32({2, 2, 2, 8}), mean = f32({2, 8});
  Tensor index = Tensor::allocate(host_memory(), y.shape(), DType::kU8);
  max_pool_fwd(ctx, {}, x, y, index);
  max_pool_bwd(ctx, {}, y, index, kWrite, x);
  avg_pool_fwd(ctx, {}, x, y);
  avg_pool_bwd(ctx, {}, y, kWrite, x);
  global_avg_pool_fwd(ctx, x, mean);
  global_avg_pool_bwd(ctx, mean, kWrite, x);
}

void run_pointwise(Context& ctx) {
  const Tensor x = f32({2, 4, 4, 8});
  Tensor y = f32({2, 4, 4, 8}), wide = f32({2, 4, 4, 16}), half = f32({2, 2, 2, 16});
  activation_fwd(ctx, Activation::kRelu, x, y);
  activation_bwd(ctx, Activation::kRelu, y, x, kWrite, y);
  add_fwd(ctx, Activation::kRelu, x, x, y);
  const Tensors parts = {x, x};
  concat_fwd(ctx, parts, wide);
  Tensors grads = {f32(x.shape()), f32(x.shape())};
  const GradMode modes[] = {kWrite, kWrite};
  concat_bwd(ctx, wide, modes, grads);
  const std::vector<std::uint32_t> epoch(2);
  const std::vector<std::int64_t> example(2);
  dropout(ctx, 0.5, {.epoch = epoch, .example = example}, x, y);
  subsample_pad_fwd(ctx, 2, x, half);
  subsample_pad_bwd(ctx, 2, half, kWrite, y);
}

void run_others(Context& ctx) {
  Tensor logits = f32({3, 5}), loss = f32({3}), dx = f32({3, 5});
  Tensor correct = Tensor::allocate(host_memory(), {3}, DType::kU8);
  const Tensor label = labels(3, 5, 1);
  softmax_xent_fwd(ctx, 0, logits, label, loss, correct);
  softmax_xent_bwd(ctx, 0, logits, label, loss, kWrite, dx);
  softmax(ctx, logits, dx);
  const std::vector<std::int32_t> row = {2, 0, 1};
  gather_rows(ctx, logits, row, dx);
  scatter_add_rows(ctx, logits, row, dx);
  (void)sum_squares(ctx, logits);
  Tensor w = f32({7}), m = f32({7}), v = f32({7});
  sgd_step(ctx, {}, f32({7}), w, v);
  adam_step(ctx, {}, 1, f32({7}), w, m, v);
  Tensor image = f32({1, 4, 4, 3});
  const ImageTransform transform;
  u8_to_float(ctx, {&transform, 1}, ImageTable{}, pixels({1, 4, 4, 3}, 1), image);
}

// A kernel that exists but declines f32 costs speed and nobody would see it.
TEST(Dispatch, NoF32OperatorOfTheCpuFallsBackToTheReference) {
  Context ctx(Backend::kCpu);
  const std::string text = logged([&] {
    run_convolutions(ctx);
    run_norms(ctx);
    run_pools(ctx);
    run_pointwise(ctx);
    run_others(ctx);
  });
  EXPECT_THAT(text, Not(HasSubstr("-> ref"))) << text;
  for (const char* op : {"conv_fwd",
                         "conv_bwd_data",
                         "conv_bwd_weight",
                         "linear_fwd",
                         "linear_bwd_data",
                         "linear_bwd_weight",
                         "batch_norm_fwd_train",
                         "batch_norm_fwd_eval",
                         "batch_norm_bwd",
                         "group_norm_fwd",
                         "group_norm_bwd",
                         "max_pool_fwd",
                         "max_pool_bwd",
                         "avg_pool_fwd",
                         "avg_pool_bwd",
                         "global_avg_pool_fwd",
                         "global_avg_pool_bwd",
                         "activation_fwd",
                         "activation_bwd",
                         "add_fwd",
                         "concat_fwd",
                         "concat_bwd",
                         "dropout",
                         "subsample_pad_fwd",
                         "subsample_pad_bwd",
                         "softmax_xent_fwd",
                         "softmax_xent_bwd",
                         "softmax",
                         "gather_rows",
                         "scatter_add_rows",
                         "sum_squares",
                         "sgd_step",
                         "adam_step",
                         "u8_to_float"}) {
    EXPECT_THAT(text, HasSubstr(graft::detail::cat(" ", op, ": "))) << op;
  }
}

TEST(Dispatch, SaysWhyItSkipsAnImplementation) {
  Context ctx(Backend::kCpu);
  const Tensor x = normal({2, 4}, 1);
  Tensor y = x.clone(host_memory());
  const std::string text = logged([&] { add_fwd(ctx, Activation::kRelu6, x, x, y); });
  EXPECT_THAT(text, HasSubstr("add_fwd: skipped"));
  EXPECT_THAT(text, HasSubstr("f64) -> ref"));
}

TEST(Dispatch, EnvironmentForcesAnImplementation) {
  Context ctx(Backend::kCpu);
  Tensor x = f32({4}), y = f32({4});
  EXPECT_THAT(logged([&] { accumulate(ctx, x, y); }), HasSubstr("accumulate: -> ref"));
}

TEST(Dispatch, RefusesAForcedImplementationThatDoesNotExist) {
  Context cpu(Backend::kCpu), ref(Backend::kRef);
  Tensor x = f32({4}), y = f32({4});
  try {
    copy(cpu, x, y);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kUnsupported);
    EXPECT_THAT(e.what(), HasSubstr("copy: "));
    EXPECT_THAT(e.what(), HasSubstr("`nonsense`"));
  }
  copy(ref, x, y);  // the oracle stays the oracle
}

}  // namespace
}  // namespace graft::kernels
