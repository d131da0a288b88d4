// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/norm.h"

#include "kernels/cpu/cpu.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"
#include "kernels/ref/norm.h"

namespace graft::kernels {
namespace {

constexpr Impl<decltype(batch_norm_fwd_train)> kBatchNormFwdTrain[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::batch_norm_fwd_train},
    {"simd", Backend::kCpu, unless_f32, cpu::batch_norm_fwd_train},
    {"ref", Backend::kRef, never, ref::batch_norm_fwd_train},
};
constexpr Impl<decltype(batch_norm_fwd_eval)> kBatchNormFwdEval[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::batch_norm_fwd_eval},
    {"simd", Backend::kCpu, unless_f32, cpu::batch_norm_fwd_eval},
    {"ref", Backend::kRef, never, ref::batch_norm_fwd_eval},
};
constexpr Impl<decltype(batch_norm_bwd)> kBatchNormBwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::batch_norm_bwd},
    {"simd", Backend::kCpu, unless_f32, cpu::batch_norm_bwd},
    {"ref", Backend::kRef, never, ref::batch_norm_bwd},
};
constexpr Impl<decltype(group_norm_fwd)> kGroupNormFwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::group_norm_fwd},
    {"simd", Backend::kCpu, unless_f32, cpu::group_norm_fwd},
    {"ref", Backend::kRef, never, ref::group_norm_fwd},
};
constexpr Impl<decltype(group_norm_bwd)> kGroupNormBwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::group_norm_bwd},
    {"simd", Backend::kCpu, unless_f32, cpu::group_norm_bwd},
    {"ref", Backend::kRef, never, ref::group_norm_bwd},
};

std::int64_t channels(const Shape& x) { return x[x.rank() - 1]; }

DType check_input(const Door& door, const Tensor& x) {
  const DType dtype = door.floating("x", x);
  door.require(x.shape().rank() >= 2, "x expects (N,...,C), got ", x.shape());
  return dtype;
}

void check_forward(const Door& door, const Tensor& x, const Tensor& gamma, const Tensor& beta,
                   const Tensor& residual, const Tensor& y) {
  const DType dtype = check_input(door, x);
  const Shape per_channel = {channels(x.shape())};
  door.expect("gamma", gamma, per_channel, param_dtype(dtype));
  door.expect("beta", beta, per_channel, param_dtype(dtype));
  door.expect_or_empty("residual", residual, x.shape(), dtype);
  door.expect("y", y, x.shape(), dtype);
}

void check_backward(const Door& door, const NormBackward& a, Activation activation,
                    const Shape& statistics, const Tensor& dx, const Tensor& dresidual,
                    const Tensor& dgamma, const Tensor& dbeta) {
  const DType dtype = check_input(door, a.x);
  const Shape per_channel = {channels(a.x.shape())};
  door.expect("gamma", a.gamma, per_channel, param_dtype(dtype));
  door.expect("beta", a.beta, per_channel, param_dtype(dtype));
  door.expect("mean", a.mean, statistics, param_dtype(dtype));
  door.expect("inv_std", a.inv_std, statistics, param_dtype(dtype));
  door.expect("dy", a.dy, a.x.shape(), dtype);
  door.expect_or_empty("dy2", a.dy2, a.x.shape(), dtype);
  if (a.has_residual && activation != Activation::kNone) {
    door.expect("y", a.y, a.x.shape(), dtype);
  }
  if (a.dx_mode != GradMode::kSkip) door.expect("dx", dx, a.x.shape(), dtype);
  if (a.dresidual_mode != GradMode::kSkip) {
    door.require(a.has_residual, "dresidual is wanted, but there was no residual");
    door.expect("dresidual", dresidual, a.x.shape(), dtype);
    door.require(a.dresidual_mode == GradMode::kOverwrite || dresidual.data() != a.dy.data(),
                 "dresidual cannot be dy and accumulate");
  }
  if (a.param_mode != GradMode::kSkip) {
    door.expect("dgamma", dgamma, per_channel, param_dtype(dtype));
    door.expect("dbeta", dbeta, per_channel, param_dtype(dtype));
  }
}

bool nothing_wanted(const NormBackward& a) {
  return a.dx_mode == GradMode::kSkip && a.dresidual_mode == GradMode::kSkip &&
         a.param_mode == GradMode::kSkip;
}

Shape group_statistics(const Door& door, const GroupNormOptions& o, const Tensor& x) {
  check_input(door, x);
  const std::int64_t c = channels(x.shape());
  door.require(o.groups >= 1 && c % o.groups == 0, "groups=", o.groups, " does not divide C=", c);
  return {x.shape()[0], o.groups};
}

}  // namespace

void batch_norm_fwd_train(Context& ctx, const BatchNormOptions& options, const Tensor& x,
                          const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                          Tensor& running_mean, Tensor& running_var, Tensor& mean, Tensor& inv_std,
                          Tensor& y) {
  const Door door("batch_norm_fwd_train");
  check_forward(door, x, gamma, beta, residual, y);
  const Shape per_channel = gamma.shape();
  door.expect("running_mean", running_mean, per_channel, param_dtype(x.dtype()));
  door.expect("running_var", running_var, per_channel, param_dtype(x.dtype()));
  door.expect("mean", mean, per_channel, param_dtype(x.dtype()));
  door.expect("inv_std", inv_std, per_channel, param_dtype(x.dtype()));
  if (y.numel() == 0) return;
  dispatch("batch_norm_fwd_train", kBatchNormFwdTrain, ctx, options, x, gamma, beta, residual,
           running_mean, running_var, mean, inv_std, y);
}

void batch_norm_fwd_eval(Context& ctx, const BatchNormOptions& options, const Tensor& x,
                         const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                         const Tensor& running_mean, const Tensor& running_var, Tensor& y) {
  const Door door("batch_norm_fwd_eval");
  check_forward(door, x, gamma, beta, residual, y);
  door.expect("running_mean", running_mean, gamma.shape(), param_dtype(x.dtype()));
  door.expect("running_var", running_var, gamma.shape(), param_dtype(x.dtype()));
  if (y.numel() == 0) return;
  dispatch("batch_norm_fwd_eval", kBatchNormFwdEval, ctx, options, x, gamma, beta, residual,
           running_mean, running_var, y);
}

void batch_norm_bwd(Context& ctx, const BatchNormOptions& options, NormStats stats,
                    const NormBackward& args, Tensor& dx, Tensor& dresidual, Tensor& dgamma,
                    Tensor& dbeta) {
  if (nothing_wanted(args)) return;
  check_backward(Door("batch_norm_bwd"), args, options.activation, args.gamma.shape(), dx,
                 dresidual, dgamma, dbeta);
  if (args.x.numel() == 0) {
    zero_if_overwrite(ctx, args.param_mode, dgamma);
    zero_if_overwrite(ctx, args.param_mode, dbeta);
    return;
  }
  dispatch("batch_norm_bwd", kBatchNormBwd, ctx, options, stats, args, dx, dresidual, dgamma,
           dbeta);
}

void group_norm_fwd(Context& ctx, const GroupNormOptions& options, const Tensor& x,
                    const Tensor& gamma, const Tensor& beta, const Tensor& residual, Tensor& mean,
                    Tensor& inv_std, Tensor& y) {
  const Door door("group_norm_fwd");
  const Shape statistics = group_statistics(door, options, x);
  check_forward(door, x, gamma, beta, residual, y);
  door.expect_or_empty("mean", mean, statistics, param_dtype(x.dtype()));
  door.expect_or_empty("inv_std", inv_std, statistics, param_dtype(x.dtype()));
  if (y.numel() == 0) return;
  dispatch("group_norm_fwd", kGroupNormFwd, ctx, options, x, gamma, beta, residual, mean, inv_std,
           y);
}

void group_norm_bwd(Context& ctx, const GroupNormOptions& options, const NormBackward& args,
                    Tensor& dx, Tensor& dresidual, Tensor& dgamma, Tensor& dbeta) {
  if (nothing_wanted(args)) return;
  const Door door("group_norm_bwd");
  check_backward(door, args, options.activation, group_statistics(door, options, args.x), dx,
                 dresidual, dgamma, dbeta);
  if (args.x.numel() == 0) {
    zero_if_overwrite(ctx, args.param_mode, dgamma);
    zero_if_overwrite(ctx, args.param_mode, dbeta);
    return;
  }
  dispatch("group_norm_bwd", kGroupNormBwd, ctx, options, args, dx, dresidual, dgamma, dbeta);
}

}  // namespace graft::kernels
