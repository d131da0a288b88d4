// SPDX-License-Identifier: Apache-2.0
// One launch over a flat parameter block; gradients are read-only.
#pragma once

#include <cstdint>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"

namespace graft::kernels {

struct SgdOptions {
  double lr = 0.1;
  double momentum = 0.9;
  double weight_decay = 0;
  bool nesterov = false;
};

/// torch.optim.SGD (dampening 0):  g += wd*w;  v = momentum*v + g;  w -= lr * (nesterov ? g +
/// momentum*v : v). w, g, v (P); v starts at zero. v may be empty if momentum is 0.
void sgd_step(Context& ctx, const SgdOptions& options, const Tensor& g, Tensor& w, Tensor& v);

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  ///< AdamW: w *= 1 - lr*wd instead of g += wd*w
};

/// torch.optim.Adam / AdamW.  `step`: 1 for the first update.  w, g, m, v (P); m and v start at
/// zero.
void adam_step(Context& ctx, const AdamOptions& options, std::int64_t step, const Tensor& g,
               Tensor& w, Tensor& m, Tensor& v);

}  // namespace graft::kernels
