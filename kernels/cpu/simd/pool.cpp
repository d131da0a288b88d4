// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/simd/isa.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

constexpr Index kTile = 64;  // channels whose maxima and places stay in registers or L1

GRAFT_INLINE Index min(Index a, Index b) { return a < b ? a : b; }
GRAFT_INLINE Index max(Index a, Index b) { return a > b ? a : b; }

/// One window along one axis: its start, which may be negative, and the part inside the input.
struct Span {
  Index start, begin, end;
  Index padded;  ///< its length inside the padded input: it may end beyond that in ceil mode
};

GRAFT_INLINE Span span(const PoolGeometry& g, Index out, Index extent) {
  const Index start = out * g.stride - g.pad;
  const Index stop = min(start + g.window, extent + g.pad_end);
  return {start, max(start, 0), min(stop, extent), stop - start};
}

GRAFT_INLINE float inverse_size(const PoolGeometry& g, const Span& v, const Span& h) {
  const Index size =
      g.count_include_pad ? v.padded * h.padded : (v.end - v.begin) * (h.end - h.begin);
  return 1.0f / static_cast<float>(size);
}

/// Maxima of channels [0, n) of one window. x points at the example's first wanted channel.
template <class T>
void max_window(const PoolGeometry& g, const Span& v, const Span& h, const T* x, Index n,
                float* best, std::int32_t* place) {
  bool first = true;
  for (Index ih = v.begin; ih < v.end; ++ih) {
    for (Index iw = h.begin; iw < h.end; ++iw) {
      const T* now = x + (ih * g.w + iw) * g.c;
      const auto here = static_cast<std::int32_t>((ih - v.start) * g.window + (iw - h.start));
      if (first) {
        for (Index c = 0; c < n; ++c) {
          best[c] = widen(now[c]);
          place[c] = here;
        }
        first = false;
        continue;
      }
#pragma omp simd
      for (Index c = 0; c < n; ++c) {
        // NaN wins over numbers, so that a broken input reaches the loss.
        const float value = widen(now[c]);
        const bool take = (value > best[c]) | ((value != value) & (best[c] == best[c]));
        best[c] = take ? value : best[c];
        place[c] = take ? here : place[c];
      }
    }
  }
}

template <class T>
void max_fwd(const PoolGeometry& g, const T* x, T* y, std::uint8_t* index, Index begin, Index end) {
  std::int32_t place[kTile];
  float best[kTile];
  for (Index row = begin; row < end; ++row) {
    const T* example = x + row / g.p * g.h * g.w * g.c;
    const Span v = span(g, row % g.p, g.h);
    for (Index q = 0; q < g.q; ++q) {
      const Span h = span(g, q, g.w);
      const Index at = (row * g.q + q) * g.c;
      for (Index c = 0; c < g.c; c += kTile) {
        const Index n = min(kTile, g.c - c);
        if constexpr (__is_same(T, float)) {
          max_window(g, v, h, example + c, n, y + at + c, place);
        } else {
          max_window(g, v, h, example + c, n, best, place);
          for (Index i = 0; i < n; ++i) y[at + c + i] = narrow<T>(best[i]);
        }
        if (index == nullptr) continue;
        for (Index i = 0; i < n; ++i) index[at + c + i] = static_cast<std::uint8_t>(place[i]);
      }
    }
  }
}

void max_bwd(const PoolGeometry& g, const float* dy, const std::uint8_t* index, float* dx,
             Index begin, Index end) {
  for (Index row = begin * g.p; row < end * g.p; ++row) {
    float* example = dx + row / g.p * g.h * g.w * g.c;
    const Span v = span(g, row % g.p, g.h);
    for (Index q = 0; q < g.q; ++q) {
      const Span h = span(g, q, g.w);
      const float* from = dy + (row * g.q + q) * g.c;
      const std::uint8_t* place = index + (row * g.q + q) * g.c;
      for (Index ih = v.begin; ih < v.end; ++ih) {
        for (Index iw = h.begin; iw < h.end; ++iw) {
          float* to = example + (ih * g.w + iw) * g.c;
          const auto here = static_cast<std::uint8_t>((ih - v.start) * g.window + (iw - h.start));
#pragma omp simd
          for (Index c = 0; c < g.c; ++c) to[c] += place[c] == here ? from[c] : 0.0f;
        }
      }
    }
  }
}

/// Sums of channels [0, n) of one window. x points at the example's first wanted channel.
template <class T>
GRAFT_INLINE void sum_window(const PoolGeometry& g, const Span& v, const Span& h, const T* x,
                             Index n, float* sum) {
  for (Index c = 0; c < n; ++c) sum[c] = 0;
  for (Index ih = v.begin; ih < v.end; ++ih) {
    for (Index iw = h.begin; iw < h.end; ++iw) {
      const T* from = x + (ih * g.w + iw) * g.c;
#pragma omp simd
      for (Index c = 0; c < n; ++c) sum[c] += widen(from[c]);
    }
  }
}

template <class T>
void avg_fwd(const PoolGeometry& g, const T* x, T* y, Index begin, Index end) {
  float sum[kTile];
  for (Index row = begin; row < end; ++row) {
    const T* example = x + row / g.p * g.h * g.w * g.c;
    const Span v = span(g, row % g.p, g.h);
    for (Index q = 0; q < g.q; ++q) {
      const Span h = span(g, q, g.w);
      const float scale = inverse_size(g, v, h);
      T* to = y + (row * g.q + q) * g.c;
      for (Index c = 0; c < g.c; c += kTile) {
        const Index n = min(kTile, g.c - c);
        sum_window(g, v, h, example + c, n, sum);
#pragma omp simd
        for (Index i = 0; i < n; ++i) to[c + i] = narrow<T>(sum[i] * scale);
      }
    }
  }
}

void avg_bwd(const PoolGeometry& g, const float* dy, float* dx, Index begin, Index end) {
  for (Index row = begin * g.p; row < end * g.p; ++row) {
    float* example = dx + row / g.p * g.h * g.w * g.c;
    const Span v = span(g, row % g.p, g.h);
    for (Index q = 0; q < g.q; ++q) {
      const Span h = span(g, q, g.w);
      const float scale = inverse_size(g, v, h);
      const float* from = dy + (row * g.q + q) * g.c;
      for (Index ih = v.begin; ih < v.end; ++ih) {
        for (Index iw = h.begin; iw < h.end; ++iw) {
          float* to = example + (ih * g.w + iw) * g.c;
#pragma omp simd
          for (Index c = 0; c < g.c; ++c) to[c] += from[c] * scale;
        }
      }
    }
  }
}

/// Rows are added in groups of eight, so that the sum of many keeps its low bits.
template <class T>
void global_fwd(const T* x, Index hw, Index c, float* y, Index begin, Index end) {
  constexpr Index kGroup = 8;
  const float scale = 1.0f / static_cast<float>(hw);
  for (Index n = begin; n < end; ++n) {
    const T* from = x + n * hw * c;
    float* to = y + n * c;
    for (Index j = 0; j < c; ++j) to[j] = 0;
    Index i = 0;
    for (; i + kGroup <= hw; i += kGroup) {
      const T* row = from + i * c;
#pragma omp simd
      for (Index j = 0; j < c; ++j) {
        const T* v = row + j;
        to[j] += ((widen(v[0]) + widen(v[c])) + (widen(v[2 * c]) + widen(v[3 * c]))) +
                 ((widen(v[4 * c]) + widen(v[5 * c])) + (widen(v[6 * c]) + widen(v[7 * c])));
      }
    }
    for (; i < hw; ++i) {
#pragma omp simd
      for (Index j = 0; j < c; ++j) to[j] += widen(from[i * c + j]);
    }
#pragma omp simd
    for (Index j = 0; j < c; ++j) to[j] *= scale;
  }
}

void global_bwd(const float* dy, Index hw, Index c, bool accumulate, float* dx, Index begin,
                Index end) {
  const float scale = 1.0f / static_cast<float>(hw);
  for (Index row = begin * hw; row < end * hw; ++row) {
    const float* from = dy + row / hw * c;
    float* to = dx + row * c;
    if (accumulate) {
#pragma omp simd
      for (Index j = 0; j < c; ++j) to[j] += from[j] * scale;
    } else {
#pragma omp simd
      for (Index j = 0; j < c; ++j) to[j] = from[j] * scale;
    }
  }
}

}  // namespace

const PoolLoops kPool = {{max_fwd<float>, avg_fwd<float>, global_fwd<float>},
                         {max_fwd<Bf16>, avg_fwd<Bf16>, global_fwd<Bf16>},
                         max_bwd,
                         avg_bwd,
                         global_bwd};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
