// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/simd/isa.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

template <class T>
void clamp_range(const T* x, T* y, Index n, float lo, float hi) {
#pragma omp simd
  for (Index i = 0; i < n; ++i) y[i] = narrow<T>(clamp(widen(x[i]), lo, hi));
}

template <class T>
void add_clamp(const T* a, const T* b, T* y, Index n, float lo, float hi) {
#pragma omp simd
  for (Index i = 0; i < n; ++i) y[i] = narrow<T>(clamp(widen(a[i]) + widen(b[i]), lo, hi));
}

template <class X, class Y>
void convert(const X* x, Y* y, Index n) {
#pragma omp simd
  for (Index i = 0; i < n; ++i) y[i] = narrow<Y>(widen(x[i]));
}

void scale_shift(const Bf16* x, const float* scale, const float* shift, Bf16* y, Index rows,
                 Index width, float lo, float hi) {
  for (Index i = 0; i < rows; ++i, x += width, y += width) {
#pragma omp simd
    for (Index c = 0; c < width; ++c) {
      y[c] = narrow<Bf16>(clamp(widen(x[c]) * scale[c] + shift[c], lo, hi));
    }
  }
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

const PointwiseLoops kPointwise = {{clamp_range<float>, add_clamp<float>},
                                   {clamp_range<Bf16>, add_clamp<Bf16>},
                                   convert<float, Bf16>,
                                   convert<Bf16, float>,
                                   scale_shift,
                                   mask,
                                   add,
                                   sum_squares};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
