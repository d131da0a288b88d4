// SPDX-License-Identifier: Apache-2.0
// Batch and group normalisation, fused with what follows them in residual networks:
//
//   y = act(gamma * (x - mean) * inv_std + beta + residual)
//
// The forward needs no mask: backward recomputes the pre-activation from x, or reads y where a
// residual was added. Statistics are f32 (f64 for f64 tensors); inv_std = 1/sqrt(var + eps), var
// biased.
#pragma once

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "kernels/api/common.h"

namespace graft::kernels {

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum =
      0.1;  ///< running = (1 - momentum) * running + momentum * batch (unbiased variance)
  Activation activation = Activation::kNone;
};

struct GroupNormOptions {
  int groups = 1;  ///< divides C
  double eps = 1e-5;
  Activation activation = Activation::kNone;
};

/// What a normalisation's backward is given. Tensors as in the forward, whose x (and y, if there
/// was a residual) must still hold.
struct NormBackward {
  const Tensor& x;
  const Tensor& y;        ///< read only where `has_residual` and the activation is not kNone
  const Tensor& gamma;    ///< (C)
  const Tensor& beta;     ///< (C)
  const Tensor& mean;     ///< as the forward saved it
  const Tensor& inv_std;  ///< as the forward saved it
  const Tensor& dy;
  const Tensor& dy2;  ///< a second contribution to the gradient of y, or empty
  bool has_residual = false;
  GradMode dx_mode = GradMode::kOverwrite;
  GradMode dresidual_mode = GradMode::kSkip;
  GradMode param_mode = GradMode::kOverwrite;
};

/// Batch statistics over (N,H,W) per channel.  x, residual (or empty), y (N,...,C); gamma, beta,
/// running_mean, running_var, mean, inv_std (C).  Updates the running statistics; saves mean,
/// inv_std. y may be residual. Deterministic for a fixed thread count.
void batch_norm_fwd_train(Context& ctx, const BatchNormOptions& options, const Tensor& x,
                          const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                          Tensor& running_mean, Tensor& running_var, Tensor& mean, Tensor& inv_std,
                          Tensor& y);

/// Running statistics; changes nothing but y.
void batch_norm_fwd_eval(Context& ctx, const BatchNormOptions& options, const Tensor& x,
                         const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                         const Tensor& running_mean, const Tensor& running_var, Tensor& y);

/// Backward of either forward. kBatch: mean and inv_std are the saved batch statistics and depend
/// on x. kRunning: they are constants (mean = running mean, inv_std = 1/sqrt(running_var + eps)).
/// kSubset: the rows are some of a batch whose statistics mean and inv_std are, the other rows' dx
/// is dropped, and dx = gamma * inv_std * r, with r the residual of regressing dz (dy behind the
/// activation) on {1, xhat} per channel: sum(dx) = sum(dx * xhat) = 0, so that the gradient of the
/// filters before it stays orthogonal to them, as under batch statistics; an approximation unless
/// the rows are all. Four sums a channel instead of two.
/// dx, dresidual like x; dgamma, dbeta (C), by args.param_mode.  dresidual may be dy.
void batch_norm_bwd(Context& ctx, const BatchNormOptions& options, NormStats stats,
                    const NormBackward& args, Tensor& dx, Tensor& dresidual, Tensor& dgamma,
                    Tensor& dbeta);

/// Statistics over (H,W,C/groups) per example and group; the same in training and evaluation.
/// mean, inv_std (N,groups).
void group_norm_fwd(Context& ctx, const GroupNormOptions& options, const Tensor& x,
                    const Tensor& gamma, const Tensor& beta, const Tensor& residual, Tensor& mean,
                    Tensor& inv_std, Tensor& y);

void group_norm_bwd(Context& ctx, const GroupNormOptions& options, const NormBackward& args,
                    Tensor& dx, Tensor& dresidual, Tensor& dgamma, Tensor& dbeta);

}  // namespace graft::kernels
