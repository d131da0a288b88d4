// SPDX-License-Identifier: Apache-2.0
// Reference of kernels/api/norm.h: plain loops in f32 and f64, sums in f64. Contracts: see there.
#pragma once

#include "kernels/api/norm.h"

namespace graft::kernels::ref {

void batch_norm_fwd_train(Context& ctx, const BatchNormOptions& options, const Tensor& x,
                          const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                          Tensor& running_mean, Tensor& running_var, Tensor& mean, Tensor& inv_std,
                          Tensor& y);
void batch_norm_fwd_eval(Context& ctx, const BatchNormOptions& options, const Tensor& x,
                         const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                         const Tensor& running_mean, const Tensor& running_var, Tensor& y);
void batch_norm_bwd(Context& ctx, const BatchNormOptions& options, NormStats stats,
                    const NormBackward& args, Tensor& dx, Tensor& dresidual, Tensor& dgamma,
                    Tensor& dbeta);
void group_norm_fwd(Context& ctx, const GroupNormOptions& options, const Tensor& x,
                    const Tensor& gamma, const Tensor& beta, const Tensor& residual, Tensor& mean,
                    Tensor& inv_std, Tensor& y);
void group_norm_bwd(Context& ctx, const GroupNormOptions& options, const NormBackward& args,
                    Tensor& dx, Tensor& dresidual, Tensor& dgamma, Tensor& dbeta);

}  // namespace graft::kernels::ref
