// SPDX-License-Identifier: Apache-2.0
// Rows are taken kRows at a time: coefficients and sums are read once for all of them, and the sums
// of one column form kRows-long chains that other columns overlap.
#include "kernels/cpu/simd/isa.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

constexpr int kRows = 4;
constexpr Index kAheadFloats = 1024;

/// Calls step.template operator()<R>(first place, columns) for groups of rows, then for what is
/// left.
template <class Step>
GRAFT_INLINE void for_rows(Index begin, Index end, Index width, Step step) {
  Index at = begin;
  for (; at + kRows * width <= end; at += kRows * width) {
    step.template operator()<kRows>(at, width);
  }
  for (; at + width <= end; at += width) step.template operator()<1>(at, width);
  if (at < end) step.template operator()<1>(at, end - at);
}

/// Asks for what a group of rows will read a few groups on. The rows of a group are read side by
/// side, which hardware prefetchers lose at every group's end: a third off passes over 50 MB
/// tensors.
GRAFT_INLINE void prefetch(const float* stream, Index at, Index width) {
  constexpr Index kLine = 16;
  const Index group = kRows * width;
  const Index ahead = group * (1 + kAheadFloats / group);
  for (Index i = 0; i < group; i += kLine) __builtin_prefetch(stream + at + ahead + i, 0, 2);
}

void moments(const float* x, Index n, Index width, const float* pivot, float* sum, float* squares) {
  for_rows(
      0, n, width, [=]<int R>(Index at, Index columns) __attribute__((always_inline)) {
        const float* row = x + at;
        if (R == kRows) prefetch(x, at, width);
#pragma omp simd
        for (Index j = 0; j < columns; ++j) {
          float s = sum[j], q = squares[j];
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) {
            const float d = row[r * width + j] - pivot[j];
            s += d;
            q += d * d;
          }
          sum[j] = s;
          squares[j] = q;
        }
      });
}

template <bool kResidual>
GRAFT_INLINE void normalise_as(const NormForward& a, Index begin, Index end) {
  const NormForward k = a;  // a copy: its members cannot alias the stores
  for_rows(
      begin, end, k.width, [=]<int R>(Index at, Index columns) __attribute__((always_inline)) {
        const float* x = k.x + at;
        const float* residual = k.residual + (kResidual ? at : 0);
        float* y = k.y + at;
#pragma omp simd
        for (Index j = 0; j < columns; ++j) {
          const float mean = k.mean[j], scale = k.scale[j], beta = k.beta[j];
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) {
            const Index i = r * k.width + j;
            float v = (x[i] - mean) * scale + beta;
            if constexpr (kResidual) v += residual[i];
            y[i] = clamp(v, k.lo, k.hi);
          }
        }
      });
}

void normalise(const NormForward& a, Index begin, Index end) {
  if (a.residual != nullptr) {
    normalise_as<true>(a, begin, end);
  } else {
    normalise_as<false>(a, begin, end);
  }
}

/// Gradient at place i, which is column j of the range that starts at `at`.
template <MaskFrom kMask, bool kDy2>
GRAFT_INLINE float gradient(const NormBackwardLoop& k, Index i, float centred, float scale,
                            float beta) {
  float g = k.dy[i];
  if constexpr (kDy2) g += k.dy2[i];
  if constexpr (kMask == MaskFrom::kNothing) return g;
  const float v = kMask == MaskFrom::kX ? centred * scale + beta : k.y[i];
  return keep_if((v > 0) & (v < k.hi), g);
}

/// Only with the recomputed mask, whose longer loops leave the processor too few loads in flight;
/// the others lose by it, and so do tensors that are in the cache.
template <MaskFrom kMask, bool kDy2>
GRAFT_INLINE void prefetch_inputs(const NormBackwardLoop& k, Index at) {
  if (kMask != MaskFrom::kX || !k.beyond_cache) return;
  prefetch(k.x, at, k.width);
  prefetch(k.dy, at, k.width);
  if constexpr (kDy2) prefetch(k.dy2, at, k.width);
}

template <MaskFrom kMask, bool kDy2, DzMode kDz>
void sums_as(const NormBackwardLoop& a, Index begin, Index end, float* sum_g, float* sum_gx) {
  const NormBackwardLoop k = a;
  for_rows(
      begin, end, k.width, [=]<int R>(Index at, Index columns) __attribute__((always_inline)) {
        if (R == kRows) prefetch_inputs<kMask, kDy2>(k, at);
#pragma omp simd
        for (Index j = 0; j < columns; ++j) {
          const float mean = k.mean[j], scale = k.scale[j], beta = k.beta[j];
          float s = sum_g[j], q = sum_gx[j];
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) {
            const Index i = at + r * k.width + j;
            const float centred = k.x[i] - mean;
            const float g = gradient<kMask, kDy2>(k, i, centred, scale, beta);
            if constexpr (kDz == DzMode::kOverwrite) k.dz[i] = g;
            if constexpr (kDz == DzMode::kAccumulate) k.dz[i] += g;
            s += g;
            q += g * centred;
          }
          sum_g[j] = s;
          sum_gx[j] = q;
        }
      });
}

template <MaskFrom kMask, bool kDy2, bool kAccumulate>
void input_as(const NormBackwardLoop& a, Index begin, Index end) {
  const NormBackwardLoop k = a;
  for_rows(
      begin, end, k.width, [=]<int R>(Index at, Index columns) __attribute__((always_inline)) {
        if (R == kRows) prefetch_inputs<kMask, kDy2>(k, at);
#pragma omp simd
        for (Index j = 0; j < columns; ++j) {
          const float mean = k.mean[j], scale = k.scale[j], beta = k.beta[j];
          const float mean_term = k.mean_term[j], x_term = k.x_term[j];
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) {
            const Index i = at + r * k.width + j;
            const float centred = k.x[i] - mean;
            const float g = gradient<kMask, kDy2>(k, i, centred, scale, beta);
            const float dx = g * scale - mean_term - centred * x_term;
            k.dx[i] = kAccumulate ? k.dx[i] + dx : dx;
          }
        }
      });
}

/// Calls f with the run-time value as its template argument.
template <class F>
void with_mask(MaskFrom mask, F f) {
  switch (mask) {
    case MaskFrom::kNothing:
      return f.template operator()<MaskFrom::kNothing>();
    case MaskFrom::kX:
      return f.template operator()<MaskFrom::kX>();
    case MaskFrom::kY:
      return f.template operator()<MaskFrom::kY>();
  }
}
template <class F>
void with_bool(bool b, F f) {
  if (b) {
    f.template operator()<true>();
  } else {
    f.template operator()<false>();
  }
}
template <class F>
void with_dz(DzMode mode, F f) {
  switch (mode) {
    case DzMode::kNothing:
      return f.template operator()<DzMode::kNothing>();
    case DzMode::kOverwrite:
      return f.template operator()<DzMode::kOverwrite>();
    case DzMode::kAccumulate:
      return f.template operator()<DzMode::kAccumulate>();
  }
}

void gradient_sums(const NormBackwardLoop& a, Index begin, Index end, float* sum_g, float* sum_gx) {
  with_mask(a.mask, [&]<MaskFrom kMask>() {
    with_bool(a.dy2 != nullptr, [&]<bool kDy2>() {
      with_dz(a.dz_mode,
              [&]<DzMode kDz>() { sums_as<kMask, kDy2, kDz>(a, begin, end, sum_g, sum_gx); });
    });
  });
}

void gradient_input(const NormBackwardLoop& a, Index begin, Index end) {
  with_mask(a.mask, [&]<MaskFrom kMask>() {
    with_bool(a.dy2 != nullptr, [&]<bool kDy2>() {
      with_bool(a.dx_accumulate,
                [&]<bool kAccumulate>() { input_as<kMask, kDy2, kAccumulate>(a, begin, end); });
    });
  });
}

}  // namespace

const NormLoops kNorm = {moments, normalise, gradient_sums, gradient_input};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
