// SPDX-License-Identifier: Apache-2.0
// Reference of kernels/api/softmax_xent.h: plain loops in f32 and f64, sums in f64. Contracts: see
// there.
#pragma once

#include "kernels/api/softmax_xent.h"

namespace graft::kernels::ref {

void softmax_xent_fwd(Context& ctx, double smoothing, const Tensor& logits, const Tensor& label,
                      Tensor& loss, Tensor& correct);
void softmax_xent_bwd(Context& ctx, double smoothing, const Tensor& logits, const Tensor& label,
                      const Tensor& weight, GradMode mode, Tensor& dlogits);
void softmax_scores(Context& ctx, const Tensor& logits, const Tensor& label, Tensor& confidence,
                    Tensor& gradient_norm);
void softmax(Context& ctx, const Tensor& x, Tensor& y);

}  // namespace graft::kernels::ref
