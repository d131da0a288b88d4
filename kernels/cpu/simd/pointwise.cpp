// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/simd/isa.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

void clamp_range(const float* x, float* y, Index n, float lo, float hi) {
#pragma omp simd
  for (Index i = 0; i < n; ++i) y[i] = clamp(x[i], lo, hi);
}

void add_clamp(const float* a, const float* b, float* y, Index n, float lo, float hi) {
#pragma omp simd
  for (Index i = 0; i < n; ++i) y[i] = clamp(a[i] + b[i], lo, hi);
}

void mask(const float* y, const float* dy, float* dx, Index n, float hi, bool accumulate) {
  if (accumulate) {
#pragma omp simd
    for (Index i = 0; i < n; ++i) dx[i] += keep_if((y[i] > 0) & (y[i] < hi), dy[i]);
    return;
  }
#pragma omp simd
  for (Index i = 0; i < n; ++i) dx[i] = keep_if((y[i] > 0) & (y[i] < hi), dy[i]);
}

void add(const float* x, float* y, Index n) {
#pragma omp simd
  for (Index i = 0; i < n; ++i) y[i] += x[i];
}

/// f64 throughout: gradients of 1e-25 and of 1e25 have a norm.
double sum_squares(const float* x, Index n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (Index i = 0; i < n; ++i) {
    const auto v = static_cast<double>(x[i]);
    sum += v * v;
  }
  return sum;
}

}  // namespace

const PointwiseLoops kPointwise = {clamp_range, add_clamp, mask, add, sum_squares};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
