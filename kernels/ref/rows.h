// SPDX-License-Identifier: Apache-2.0
// Reference of kernels/api/rows.h: plain loops in f32 and f64, sums in f64. Contracts: see there.
#pragma once

#include "kernels/api/rows.h"

namespace graft::kernels::ref {

void gather_rows(Context& ctx, const Tensor& x, std::span<const std::int32_t> row, Tensor& out);
void compact_rows(Context& ctx, Tensor& x, std::span<const std::int32_t> row);
void project_out_rows(Context& ctx, const Tensor& w, Tensor& g);
void scatter_add_rows(Context& ctx, const Tensor& x, std::span<const std::int32_t> row,
                      Tensor& out);

}  // namespace graft::kernels::ref
