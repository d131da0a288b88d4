// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/simd/isa.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

void sgd(const SgdCoefficients& k, const float* g, float* w, float* v, Index n) {
  if (v == nullptr) {
#pragma omp simd
    for (Index i = 0; i < n; ++i) w[i] -= k.lr * (g[i] + k.weight_decay * w[i]);
    return;
  }
  // With Nesterov the step is g + momentum * v, else v: one expression, two coefficients.
  const float of_g = k.nesterov ? 1.0f : 0.0f;
  const float of_v = k.nesterov ? k.momentum : 1.0f;
#pragma omp simd
  for (Index i = 0; i < n; ++i) {
    const float grad = g[i] + k.weight_decay * w[i];
    const float velocity = k.momentum * v[i] + grad;
    v[i] = velocity;
    w[i] -= k.lr * (of_g * grad + of_v * velocity);
  }
}

void adam(const AdamCoefficients& k, const float* g, float* w, float* m, float* v, Index n) {
#pragma omp simd
  for (Index i = 0; i < n; ++i) {
    const float grad = g[i] + k.weight_decay * w[i];
    const float first = k.beta1 * m[i] + k.one_minus_beta1 * grad;
    const float second = k.beta2 * v[i] + k.one_minus_beta2 * grad * grad;
    m[i] = first;
    v[i] = second;
    w[i] = k.keep * w[i] - k.step * first / (__builtin_sqrtf(second) * k.inv_correction2 + k.eps);
  }
}

}  // namespace

const OptimLoops kOptim = {sgd, adam};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
