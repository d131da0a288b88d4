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

/// out[row[i]] += x[i].  f32|f64; rows may repeat; added in order of i.
void scatter_add_rows(Context& ctx, const Tensor& x, std::span<const std::int32_t> row,
                      Tensor& out);

}  // namespace graft::kernels
