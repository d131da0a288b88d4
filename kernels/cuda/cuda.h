// SPDX-License-Identifier: Apache-2.0
// The CUDA implementations: the functions of kernels/api with the same signatures. They assume
// arguments that kernels/dispatch has checked and that `why_not` accepts. In a build without CUDA
// they are compiled as loops for the host, see device/launch.h.
#pragma once

#include <cstdint>

#include "kernels/api/augment.h"
#include "kernels/api/conv.h"
#include "kernels/api/gemm.h"
#include "kernels/api/image_ops.h"
#include "kernels/api/norm.h"
#include "kernels/api/optim.h"
#include "kernels/api/pointwise.h"
#include "kernels/api/pool.h"
#include "kernels/api/reduce.h"
#include "kernels/api/rows.h"
#include "kernels/api/select.h"
#include "kernels/api/softmax_xent.h"

namespace graft::kernels::cuda {

namespace detail {

inline const char* declines(const Tensor& t) {
  if (t.dtype() == DType::kF64) return "dtype is f64";
  return t.numel() < (std::int64_t{1} << 31) ? nullptr : "tensor of 2^31 elements or more";
}
inline const char* declines(const NormBackward& args) { return declines(args.x); }
template <class T>
const char* declines(const T&) {
  return nullptr;
}

}  // namespace detail

/// why_not of every kernel here.
template <class... A>
const char* why_not(A... args) {
  const char* reason = nullptr;
  (void)(((reason = detail::declines(args)) != nullptr) || ...);
  return reason;
}

/// By cuDNN (cudnn_conv.cpp) and cuBLASLt (cublaslt.cpp). In a build without CUDA they decline.
const char* cudnn_why_not(const Tensor& x);
const char* cublaslt_why_not(const Tensor& x);
decltype(kernels::conv_fwd) cudnn_conv_fwd;
decltype(kernels::conv_fused_fwd) cudnn_conv_fused_fwd;
decltype(kernels::conv_bwd_data) cudnn_conv_bwd_data;
decltype(kernels::conv_bwd_weight) cudnn_conv_bwd_weight;
decltype(kernels::linear_fwd) cublaslt_linear_fwd;
decltype(kernels::linear_bwd_data) cublaslt_linear_bwd_data;
decltype(kernels::linear_bwd_weight) cublaslt_linear_bwd_weight;

decltype(kernels::conv_fwd) direct_conv_fwd;
decltype(kernels::conv_fused_fwd) direct_conv_fused_fwd;
decltype(kernels::conv_bwd_data) direct_conv_bwd_data;
decltype(kernels::conv_bwd_weight) direct_conv_bwd_weight;

decltype(kernels::linear_fwd) direct_linear_fwd;
decltype(kernels::linear_bwd_data) direct_linear_bwd_data;
decltype(kernels::linear_bwd_weight) direct_linear_bwd_weight;

decltype(kernels::conv_fwd) depthwise_fwd;
decltype(kernels::conv_fused_fwd) depthwise_fused_fwd;
decltype(kernels::conv_bwd_data) depthwise_bwd_data;
decltype(kernels::conv_bwd_weight) depthwise_bwd_weight;
const char* depthwise_fwd_why_not(const ConvOptions&, const Tensor& x, const Tensor& w,
                                  const Tensor& bias, std::uint64_t w_version, Tensor& y);
const char* depthwise_fused_fwd_why_not(const ConvOptions&, Activation, const Tensor& x,
                                        const Tensor& w, const Tensor& bias, const Tensor& residual,
                                        std::uint64_t w_version, Tensor& y);
const char* depthwise_bwd_data_why_not(const ConvOptions&, const Tensor& dy, const Tensor& w,
                                       std::uint64_t w_version, GradMode, Tensor& dx);
const char* depthwise_bwd_weight_why_not(const ConvOptions&, const Tensor& x, const Tensor& dy,
                                         GradMode, Tensor& dw, Tensor& dbias);

/// y = act(y + bias + residual); bias (C) f32 and residual (y's shape) may be empty.
void epilogue(Context& ctx, Activation act, const Tensor& bias, const Tensor& residual, Tensor& y);
/// As kernels::cast, or y += x.
void cast_grad(Context& ctx, const Tensor& x, GradMode mode, Tensor& y);
/// dbias (C) = sums over the rows of dy (..., C), by mode; nothing for an empty dbias.
void column_sums(Context& ctx, const Tensor& dy, GradMode mode, Tensor& dbias);

decltype(kernels::u8_to_float) u8_to_float;
decltype(kernels::augment_rows) augment_rows;

decltype(kernels::batch_norm_fwd_train) batch_norm_fwd_train;
decltype(kernels::batch_norm_fwd_eval) batch_norm_fwd_eval;
decltype(kernels::batch_norm_bwd) batch_norm_bwd;
decltype(kernels::group_norm_fwd) group_norm_fwd;
decltype(kernels::group_norm_bwd) group_norm_bwd;

decltype(kernels::sgd_step) sgd_step;
decltype(kernels::adam_step) adam_step;
decltype(kernels::judge_update) judge_update;

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
decltype(kernels::project_out_rows) project_out_rows;
decltype(kernels::scatter_add_rows) scatter_add_rows;

decltype(kernels::select_by_percentile) select_by_percentile;
decltype(kernels::select_into_queue) select_into_queue;
decltype(kernels::finish_batch) finish_batch;

decltype(kernels::softmax_xent_fwd) softmax_xent_fwd;
decltype(kernels::softmax_xent_bwd) softmax_xent_bwd;
decltype(kernels::softmax_scores) softmax_scores;
decltype(kernels::softmax) softmax;

}  // namespace graft::kernels::cuda
