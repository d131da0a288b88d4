// SPDX-License-Identifier: Apache-2.0
// Reference of kernels/api/pool.h: plain loops in f32 and f64, sums in f64. Contracts: see there.
#pragma once

#include "kernels/api/pool.h"

namespace graft::kernels::ref {

void max_pool_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y,
                  Tensor& index);
void max_pool_bwd(Context& ctx, const PoolOptions& options, const Tensor& dy, const Tensor& index,
                  GradMode mode, Tensor& dx);
void avg_pool_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y);
void avg_pool_bwd(Context& ctx, const PoolOptions& options, const Tensor& dy, GradMode mode,
                  Tensor& dx);
void global_avg_pool_fwd(Context& ctx, const Tensor& x, Tensor& y);
void global_avg_pool_bwd(Context& ctx, const Tensor& dy, GradMode mode, Tensor& dx);

}  // namespace graft::kernels::ref
