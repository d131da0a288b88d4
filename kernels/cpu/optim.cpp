// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels::cpu {

void sgd_step(Context& ctx, const SgdOptions& options, const Tensor& g, Tensor& w, Tensor& v) {
  const simd::SgdCoefficients k = {.lr = static_cast<float>(options.lr),
                                   .momentum = static_cast<float>(options.momentum),
                                   .weight_decay = static_cast<float>(options.weight_decay),
                                   .nesterov = options.nesterov};
  const auto* gs = g.ptr<const float>();
  auto *ws = w.ptr<float>(), *vs = v.ptr<float>();
  parallel_elements(ctx, w.numel(), [&](std::int64_t begin, std::int64_t end) {
    simd::optim().sgd(k, gs + begin, ws + begin, vs == nullptr ? nullptr : vs + begin, end - begin);
  });
}

void adam_step(Context& ctx, const AdamOptions& options, std::int64_t step, const Tensor& g,
               Tensor& w, Tensor& m, Tensor& v) {
  const double correction1 = 1 - std::pow(options.beta1, static_cast<double>(step));
  const double correction2 = std::sqrt(1 - std::pow(options.beta2, static_cast<double>(step)));
  const double decay = options.weight_decay;
  const simd::AdamCoefficients k = {
      .beta1 = static_cast<float>(options.beta1),
      .beta2 = static_cast<float>(options.beta2),
      .one_minus_beta1 = static_cast<float>(1 - options.beta1),
      .one_minus_beta2 = static_cast<float>(1 - options.beta2),
      .weight_decay = static_cast<float>(options.decoupled ? 0 : decay),
      .keep = static_cast<float>(options.decoupled ? 1 - options.lr * decay : 1),
      .step = static_cast<float>(options.lr / correction1),
      .inv_correction2 = static_cast<float>(1 / correction2),
      .eps = static_cast<float>(options.eps)};
  const auto* gs = g.ptr<const float>();
  auto *ws = w.ptr<float>(), *ms = m.ptr<float>(), *vs = v.ptr<float>();
  parallel_elements(ctx, w.numel(), [&](std::int64_t begin, std::int64_t end) {
    simd::optim().adam(k, gs + begin, ws + begin, ms + begin, vs + begin, end - begin);
  });
}

}  // namespace graft::kernels::cpu
