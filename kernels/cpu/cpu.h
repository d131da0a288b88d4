// SPDX-License-Identifier: Apache-2.0
// Host implementations, f32 and, of what inference needs, bf16: the functions of kernels/api with
// the same signatures. They assume arguments that kernels/dispatch has checked and that the why_not
// next to them accepts.
#pragma once

#include "kernels/api/conv.h"
#include "kernels/api/gemm.h"
#include "kernels/api/image_ops.h"
#include "kernels/api/int8.h"
#include "kernels/api/norm.h"
#include "kernels/api/optim.h"
#include "kernels/api/pointwise.h"
#include "kernels/api/pool.h"
#include "kernels/api/reduce.h"
#include "kernels/api/rows.h"
#include "kernels/api/softmax_xent.h"

namespace graft::kernels::cpu {

decltype(kernels::conv_fwd) conv_fwd;
decltype(kernels::conv_fused_fwd) conv_fused_fwd;
decltype(kernels::conv_bwd_data) conv_bwd_data;
decltype(kernels::conv_bwd_weight) conv_bwd_weight;

decltype(kernels::linear_fwd) linear_fwd;
decltype(kernels::linear_bwd_data) linear_bwd_data;
decltype(kernels::linear_bwd_weight) linear_bwd_weight;

decltype(kernels::u8_to_float) u8_to_float;

decltype(kernels::quantise_weights) quantise_weights;
decltype(kernels::quantise) quantise;
decltype(kernels::dequantise) dequantise;
decltype(kernels::scale_shift_fwd) scale_shift_fwd;
decltype(kernels::max_pool_int8_fwd) max_pool_int8_fwd;
decltype(kernels::avg_pool_int8_fwd) avg_pool_int8_fwd;
decltype(kernels::global_avg_pool_int8_fwd) global_avg_pool_int8_fwd;

decltype(kernels::batch_norm_fwd_train) batch_norm_fwd_train;
decltype(kernels::batch_norm_fwd_eval) batch_norm_fwd_eval;
decltype(kernels::batch_norm_bwd) batch_norm_bwd;
decltype(kernels::group_norm_fwd) group_norm_fwd;
decltype(kernels::group_norm_bwd) group_norm_bwd;

decltype(kernels::sgd_step) sgd_step;
decltype(kernels::adam_step) adam_step;

decltype(kernels::activation_fwd) activation_fwd;
decltype(kernels::activation_bwd) activation_bwd;
decltype(kernels::add_fwd) add_fwd;
decltype(kernels::accumulate) accumulate;
decltype(kernels::scale) scale;
decltype(kernels::copy) copy;
decltype(kernels::cast) cast;
decltype(kernels::concat_fwd) concat_fwd;
decltype(kernels::concat_bwd) concat_bwd;
decltype(kernels::dropout) dropout;
decltype(kernels::subsample_pad_fwd) subsample_pad_fwd;
decltype(kernels::subsample_pad_bwd) subsample_pad_bwd;

decltype(kernels::max_pool_fwd) max_pool_fwd;
decltype(kernels::max_pool_bwd) max_pool_bwd;
decltype(kernels::avg_pool_fwd) avg_pool_fwd;
decltype(kernels::avg_pool_bwd) avg_pool_bwd;
decltype(kernels::global_avg_pool_fwd) global_avg_pool_fwd;
decltype(kernels::global_avg_pool_bwd) global_avg_pool_bwd;

decltype(kernels::sum_squares) sum_squares;

decltype(kernels::gather_rows) gather_rows;
decltype(kernels::compact_rows) compact_rows;
decltype(kernels::scatter_add_rows) scatter_add_rows;

decltype(kernels::softmax_xent_fwd) softmax_xent_fwd;
decltype(kernels::softmax_xent_bwd) softmax_xent_bwd;
decltype(kernels::softmax) softmax;

}  // namespace graft::kernels::cpu
