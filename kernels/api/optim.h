// SPDX-License-Identifier: Apache-2.0
// One launch over a flat parameter block; gradients are read-only.
#pragma once

#include <cstdint>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"

namespace graft::kernels {

/// What changes from one update to the next, for updates that are recorded before it is known:
/// update_control() makes it, judge_update() on the device says whether there is to be an update.
struct UpdateControl {
  float lr = 0;                              ///< SGD
  float step_size = 0, inv_correction2 = 0;  ///< Adam: lr / c1 and 1 / c2
  float keep = 1;                            ///< AdamW: what weight decay leaves of a weight
  std::int32_t go = 1;                       ///< 0: no update, something is not finite
  std::int32_t unused = 0;
  double sum_squares = 0;  ///< of the gradient
};

struct SgdOptions {
  double lr = 0.1;
  double momentum = 0.9;
  double weight_decay = 0;
  bool nesterov = false;
  /// On the context's device (Backend::kCuda only): what stands there in place of lr, if it says
  /// go.
  const UpdateControl* control = nullptr;
};

/// torch.optim.SGD (dampening 0):  g += wd*w;  v = momentum*v + g;  w -= lr * (nesterov ? g +
/// momentum*v : v). w, g, v (P); v starts at zero. v may be empty if momentum is 0.
void sgd_step(Context& ctx, const SgdOptions& options, const Tensor& g, Tensor& w, Tensor& v);

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;                  ///< AdamW: w *= 1 - lr*wd instead of g += wd*w
  const UpdateControl* control = nullptr;  ///< as in SgdOptions; in place of lr and step
};

/// torch.optim.Adam / AdamW.  `step`: 1 for the first update.  w, g, m, v (P); m and v start at
/// zero.
void adam_step(Context& ctx, const AdamOptions& options, std::int64_t step, const Tensor& g,
               Tensor& w, Tensor& m, Tensor& v);

[[nodiscard]] UpdateControl update_control(const SgdOptions& options);
[[nodiscard]] UpdateControl update_control(const AdamOptions& options, std::int64_t step);

/// Sets sum_squares of the UpdateControl in `control` to that of grads, as sum_squares() sums it,
/// and `go` to whether it and every loss are finite. loss (N), grads (P) f32; control: bytes of one
/// UpdateControl. On Backend::kCuda only. Does not synchronise.
void judge_update(Context& ctx, const Tensor& loss, const Tensor& grads, Tensor& control);

}  // namespace graft::kernels
