// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"

namespace graft::kernels {

/// out[i] = x[row[i]].  x (N, ...), any dtype; row: M ids in [0, N); out (>= M, ...): the first M
/// rows. Bytes moved: 2 * M * row bytes.
void gather_rows(Context& ctx, const Tensor& x, std::span<const std::int32_t> row, Tensor& out);

/// x[i] = x[row[i]] in place, for a tensor of which only these rows are needed any more.  x (N,
/// ...), any dtype; row: M ids in [0, N), ascending and unique; rows from M on are left as they
/// are. Bytes moved: 2 * row bytes for each row that changes its place.
void compact_rows(Context& ctx, Tensor& x, std::span<const std::int32_t> row);

/// g[k] -= (<g[k], w[k]> / <w[k], w[k]>) * w[k]: takes the part along w[k] out of each row; a row
/// of zeros in w leaves g's alone.  w, g (K, ...), f32|f64; sums in f64.
void project_out_rows(Context& ctx, const Tensor& w, Tensor& g);

/// out[row[i]] += x[i].  f32|f64; rows may repeat; added in order of i.
void scatter_add_rows(Context& ctx, const Tensor& x, std::span<const std::int32_t> row,
                      Tensor& out);

}  // namespace graft::kernels
