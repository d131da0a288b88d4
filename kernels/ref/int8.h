// SPDX-License-Identifier: Apache-2.0
// Reference of kernels/api/int8.h: exact integer sums, the rest in f64. Contracts: see there.
#pragma once

#include "kernels/api/int8.h"

namespace graft::kernels::ref {

decltype(kernels::conv_int8_fwd) conv_int8_fwd;
decltype(kernels::quantise_weights) quantise_weights;
decltype(kernels::quantise) quantise;
decltype(kernels::dequantise) dequantise;
decltype(kernels::scale_shift_fwd) scale_shift_fwd;
decltype(kernels::max_pool_int8_fwd) max_pool_int8_fwd;
decltype(kernels::avg_pool_int8_fwd) avg_pool_int8_fwd;
decltype(kernels::global_avg_pool_int8_fwd) global_avg_pool_int8_fwd;

}  // namespace graft::kernels::ref
