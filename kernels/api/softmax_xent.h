// SPDX-License-Identifier: Apache-2.0
// Softmax cross-entropy, one value per example; the mean is the caller's.
//
//   loss[n] = -sum_c t[n,c] * log softmax(x[n])[c],  t = (1 - smoothing) * onehot + smoothing / C
//   dx[n,c] = w[n] * (softmax(x[n])[c] - t[n,c])
#pragma once

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "kernels/api/common.h"

namespace graft::kernels {

/// logits (N,C) f32|f64; label (N) i32 in [0, C); loss (N).  correct (N) u8 or empty: 1 where the
/// label's logit is the first maximum.
void softmax_xent_fwd(Context& ctx, double smoothing, const Tensor& logits, const Tensor& label,
                      Tensor& loss, Tensor& correct);

/// weight (N): d(objective)/d(loss[n]).
void softmax_xent_bwd(Context& ctx, double smoothing, const Tensor& logits, const Tensor& label,
                      const Tensor& weight, GradMode mode, Tensor& dlogits);

/// What a prediction is worth to a sampler: confidence (N) is the largest softmax probability,
/// gradient_norm (N) = ||softmax(logits) - onehot(label)||_2, in [0, sqrt(2)]: the norm of the
/// loss' gradient with respect to the logits (Katharopoulos & Fleuret 2018).
void softmax_scores(Context& ctx, const Tensor& logits, const Tensor& label, Tensor& confidence,
                    Tensor& gradient_norm);

/// y = softmax(x) over the last axis, x (N,C).  y may be x.
void softmax(Context& ctx, const Tensor& x, Tensor& y);

}  // namespace graft::kernels
