// SPDX-License-Identifier: Apache-2.0
// Depthwise 3x3 on nhwc. A row of outputs is done kLanes channels at a time: their weights (or, for
// the weights' gradient, their sums) stay in registers while the loop runs along the row. Outputs
// at the left and right border have fewer taps and take a plain loop. Where there are 32 wide
// registers, the forward takes blocks of outputs instead.
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "kernels/cpu/simd/vec.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

constexpr int kFilter = 3;
constexpr Index kTaps = kFilter * kFilter;

/// kLanes elements of T as floats.
GRAFT_INLINE void load(const float* p, Vec& v) { v = load(p); }
GRAFT_INLINE void store(const Vec& v, float* p) { at(p) = v; }

/// Whether a Vec is one of 32 registers.
#if defined(__AVX512F__)
constexpr bool kWide = true;

using Words [[gnu::vector_size(kLanes * sizeof(float))]] = std::uint32_t;
constexpr __mmask16 kAll = 0xFFFF;  // GCC 12 warns of its intrinsics without a mask

GRAFT_INLINE void load(const Bf16* p, Vec& v) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(p));
  v = Vec(Words(_mm512_maskz_cvtepu16_epi32(kAll, bits)) << 16);
}
/// As narrow().
GRAFT_INLINE void store(const Vec& v, Bf16* p) {
  const Words bits = Words(v), upper = bits >> 16;
  const Words kept = v != v ? upper | 0x40 : (bits + 0x7FFF + (upper & 1)) >> 16;
  const __m256i low = _mm512_maskz_cvtepi32_epi16(kAll, __m512i(kept));
  _mm256_storeu_si256(reinterpret_cast<__m256i_u*>(p), low);
}
#else
constexpr bool kWide = false;
#endif

/// Taps [begin, end) of 0..2 of one output coordinate that fall inside the input.
struct Taps {
  int begin, end;
};

GRAFT_INLINE Taps taps_of(Index first, Index extent) {
  Taps t = {0, kFilter};
  while (t.begin < kFilter && first + t.begin < 0) ++t.begin;
  while (t.end > t.begin && first + t.end > extent) --t.end;
  return t;
}

/// One row of outputs and the input rows under it.
struct Row {
  const float* x;    ///< first input row with a tap
  Index pitch;       ///< floats from one input row to the next
  int first_tap;     ///< of the filter's rows
  Index begin, end;  ///< outputs [begin, end) have all column taps
};

GRAFT_INLINE Row row_of(const DepthwiseGeometry& g, const float* x, Index row, const Taps& taps) {
  const Index n = row / g.p, ih = row % g.p * g.stride - g.pad_top + taps.begin;
  Row r = {x + (n * g.h + ih) * g.w * g.c, g.w * g.c, taps.begin, 0, 0};
  while (r.begin < g.q && r.begin * g.stride < g.pad_left) ++r.begin;
  r.end = r.begin;
  while (r.end < g.q && r.end * g.stride - g.pad_left + kFilter <= g.w) ++r.end;
  return r;
}

/// Calls f with n, 1..3, as its template argument; not at all for 0.
template <class F>
GRAFT_INLINE void with_count(int n, F f) {
  switch (n) {
    case 1:
      return f.template operator()<1>();
    case 2:
      return f.template operator()<2>();
    case 3:
      return f.template operator()<3>();
    default:
      return;
  }
}

/// Channel blocks jump through memory, which hardware prefetchers do not follow: each output asks
/// for its share of the rows that come next, in order.
struct Prefetch {
  const float *x, *y;
  Index x_lines;  ///< a line of y

  GRAFT_INLINE void next() {
    for (Index i = 0; i < x_lines; ++i, x += kLanes) __builtin_prefetch(x, 0, kLocality);
    __builtin_prefetch(y, 1, kLocality);
    y += kLanes;
  }
  static constexpr int kLocality = 2;
};

GRAFT_INLINE Prefetch prefetch_after(const DepthwiseGeometry& g, const Row& row, int rows,
                                     const float* y) {
  return {row.x + rows * row.pitch, y + g.q * g.c, g.stride * g.stride};
}

/// f.template operator()<begin, end>() for the taps of a window across the left or right border.
template <class F>
GRAFT_INLINE void with_taps(const Taps& taps, F f) {
  switch (taps.begin * kFilter + taps.end) {
    case 1:
      return f.template operator()<0, 1>();
    case 2:
      return f.template operator()<0, 2>();
    case kFilter + 2:
      return f.template operator()<1, 2>();
    case kFilter + 3:
      return f.template operator()<1, 3>();
    case 2 * kFilter + 3:
      return f.template operator()<2, 3>();
    default:
      return;
  }
}

/// f.template operator()<begin, end>(q) for all outputs of a row and their column taps.
template <class F>
GRAFT_INLINE void for_outputs(const DepthwiseGeometry& g, const Row& row, F f) {
  const auto border = [&](Index q) __attribute__((always_inline)) {
    with_taps(
        taps_of(q * g.stride - g.pad_left, g.w), [&]<int kBegin, int kEnd>()
                                                     __attribute__((always_inline)) {
                                                       f.template operator()<kBegin, kEnd>(q);
                                                     });
  };
  for (Index q = 0; q < row.begin; ++q) border(q);
  for (Index q = row.begin; q < row.end; ++q) f.template operator()<0, kFilter>(q);
  for (Index q = row.end; q < g.q; ++q) border(q);
}

// The geometry is a copy: what a vector store writes cannot then be one of its members.
template <int R>
void forward_row(const DepthwiseGeometry g, const Row row, const float* w, const float* bias,
                 float lo, float hi, float* y) {
  Prefetch ahead = prefetch_after(g, row, R, y);
  for (Index c = 0; c < g.c; c += kLanes) {
    Vec weight[R][kFilter];
    for (int r = 0; r < R; ++r) {
      for (int s = 0; s < kFilter; ++s) weight[r][s] = load(w + (r * kFilter + s) * g.c + c);
    }
    const Vec start = load(bias + c);
    const float* x = row.x - g.pad_left * g.c + c;
    for_outputs(
        g, row, [&]<int kBegin, int kEnd>(Index q) __attribute__((always_inline)) {
          const float* from = x + q * g.stride * g.c;
          Vec sum = start;
#pragma GCC unroll 3
          for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
            for (int s = kBegin; s < kEnd; ++s) {
              sum += weight[r][s] * load(from + r * row.pitch + s * g.c);
            }
          }
          clamp(sum, lo, hi);
          at(y + q * g.c + c) = sum;
          ahead.next();
        });
  }
}

/// A block of kTileRows x kTileColumns outputs, whose sums are all in registers: each input is
/// loaded once a block. Channels are the inner loop, so that the pixels' addresses, which may lie a
/// power of two apart, do not all fall into one set of the cache.
constexpr Index kTileRows = 2, kTileColumns = 7;
constexpr Index kOutputs = kTileRows * kTileColumns;
constexpr Index inputs(Index outputs, Index stride) { return (outputs - 1) * stride + kFilter; }

template <class T, int kStride>
struct Tile {
  static constexpr Index kRows = inputs(kTileRows, kStride);
  static constexpr Index kColumns = inputs(kTileColumns, kStride);
  const T* x[kRows * kColumns];  ///< pixels; zeros where there is none
  T* y[kOutputs];                ///< pixels; the sink where there is none
};

template <class T, int kStride>
[[gnu::noinline]] void run_tile(const Tile<T, kStride>& tile, Index channels, const float* w,
                                const float* bias, float lo, float hi) {
  using Shape = Tile<T, kStride>;
  for (Index c = 0; c < channels; c += kLanes) {
    Vec weight[kTaps], sum[kTileRows][kTileColumns];
#pragma GCC unroll 9
    for (Index t = 0; t < kTaps; ++t) weight[t] = load(w + t * channels + c);
    const Vec start = load(bias + c);
#pragma GCC unroll 2
    for (Index r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 7
      for (Index s = 0; s < kTileColumns; ++s) sum[r][s] = start;
    }
#pragma GCC unroll 5
    for (Index i = 0; i < Shape::kRows; ++i) {
#pragma GCC unroll 15
      for (Index j = 0; j < Shape::kColumns; ++j) {
        Vec v;
        load(tile.x[i * Shape::kColumns + j] + c, v);
#pragma GCC unroll 2
        for (Index r = 0; r < kTileRows; ++r) {
          const Index down = i - r * kStride;
#pragma GCC unroll 7
          for (Index s = 0; s < kTileColumns; ++s) {
            const Index across = j - s * kStride;
            if (down < 0 || down >= kFilter || across < 0 || across >= kFilter) continue;
            sum[r][s] += v * weight[down * kFilter + across];
          }
        }
      }
    }
#pragma GCC unroll 14
    for (Index o = 0; o < kOutputs; ++o) {
      Vec& done = sum[o / kTileColumns][o % kTileColumns];
      clamp(done, lo, hi);
      store(done, tile.y[o] + c);
    }
  }
}

template <class T>
struct Spare {
  const T* zeros;  ///< (C)
  T* sink;         ///< (C)
};

/// The block of `rows` rows of outputs from `row` on, and of the columns from q on.
template <class T, int kStride>
Tile<T, kStride> tile_at(const DepthwiseGeometry& g, const T* x, T* y, const Spare<T>& spare,
                         Index row, Index rows, Index q) {
  using Shape = Tile<T, kStride>;
  Shape tile;
  const Index n = row / g.p, p = row % g.p;
  for (Index i = 0; i < Shape::kRows; ++i) {
    const Index ih = p * kStride - g.pad_top + i;
    for (Index j = 0; j < Shape::kColumns; ++j) {
      const Index iw = q * kStride - g.pad_left + j;
      const bool inside = ih >= 0 && ih < g.h && iw >= 0 && iw < g.w;
      tile.x[i * Shape::kColumns + j] =
          inside ? x + ((n * g.h + ih) * g.w + iw) * g.c : spare.zeros;
    }
  }
  for (Index o = 0; o < kOutputs; ++o) {
    const Index r = o / kTileColumns, s = q + o % kTileColumns;
    tile.y[o] = r < rows && s < g.q ? y + ((row + r) * g.q + s) * g.c : spare.sink;
  }
  return tile;
}

template <class T, int kStride>
void forward_tiles(const DepthwiseGeometry& g, const T* x, const float* w, const float* bias,
                   float lo, float hi, T* y, const Spare<T>& spare, Index begin, Index end) {
  using Shape = Tile<T, kStride>;
  while (begin < end) {
    Index rows = g.p - begin % g.p;
    if (rows > end - begin) rows = end - begin;
    if (rows > kTileRows) rows = kTileRows;
    const Index p = begin % g.p * kStride - g.pad_top;
    const bool whole = rows == kTileRows && p >= 0 && p + Shape::kRows <= g.h;
    Shape tile;
    bool moves = false;  // the block to the left was inside the image, as is this one
    for (Index q = 0; q < g.q; q += kTileColumns) {
      const Index left = q * kStride - g.pad_left;
      const bool inside =
          whole && left >= 0 && left + Shape::kColumns <= g.w && q + kTileColumns <= g.q;
      if (inside && moves) {
        for (const T*& pixel : tile.x) pixel += kTileColumns * kStride * g.c;
        for (T*& pixel : tile.y) pixel += kTileColumns * g.c;
      } else {
        tile = tile_at<T, kStride>(g, x, y, spare, begin, rows, q);
      }
      moves = inside;
      run_tile<T, kStride>(tile, g.c, w, bias, lo, hi);
    }
    begin += rows;
  }
}

void forward(const DepthwiseGeometry& g, const float* x, const float* w, const float* bias,
             float lo, float hi, float* y, const float* zeros, float* sink, Index begin,
             Index end) {
  if (kWide && g.stride == 1) {
    return forward_tiles<float, 1>(g, x, w, bias, lo, hi, y, {zeros, sink}, begin, end);
  }
  if (kWide && g.stride == 2) {
    return forward_tiles<float, 2>(g, x, w, bias, lo, hi, y, {zeros, sink}, begin, end);
  }
  for (Index i = begin; i < end; ++i) {
    const Taps taps = taps_of(i % g.p * g.stride - g.pad_top, g.h);
    const Row row = row_of(g, x, i, taps);
    with_count(taps.end - taps.begin, [&]<int R>() {
      forward_row<R>(g, row, w + row.first_tap * kFilter * g.c, bias, lo, hi, y + i * g.q * g.c);
    });
  }
}

#if defined(__AVX512F__)
void forward_bf16(const DepthwiseGeometry& g, const Bf16* x, const float* w, const float* bias,
                  float lo, float hi, Bf16* y, const Bf16* zeros, Bf16* sink, Index begin,
                  Index end) {
  if (g.stride == 1) {
    forward_tiles<Bf16, 1>(g, x, w, bias, lo, hi, y, {zeros, sink}, begin, end);
  } else {
    forward_tiles<Bf16, 2>(g, x, w, bias, lo, hi, y, {zeros, sink}, begin, end);
  }
}
#else
constexpr decltype(DepthwiseLoops::forward_bf16) forward_bf16 = nullptr;
#endif

template <int R>
void weight_row(const DepthwiseGeometry g, const Row row, const float* dy, float* dw) {
  Prefetch ahead = prefetch_after(g, row, R, dy);
  for (Index c = 0; c < g.c; c += kLanes) {
    Vec sum[R][kFilter] = {};
    const float* x = row.x - g.pad_left * g.c + c;
    for_outputs(
        g, row, [&]<int kBegin, int kEnd>(Index q) __attribute__((always_inline)) {
          const float* from = x + q * g.stride * g.c;
          const Vec gradient = load(dy + q * g.c + c);
#pragma GCC unroll 3
          for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
            for (int s = kBegin; s < kEnd; ++s) {
              sum[r][s] += gradient * load(from + r * row.pitch + s * g.c);
            }
          }
          ahead.next();
        });
    for (int r = 0; r < R; ++r) {
      for (int s = 0; s < kFilter; ++s) at(dw + (r * kFilter + s) * g.c + c) += sum[r][s];
    }
  }
}

void backward_weight(const DepthwiseGeometry& g, const float* x, const float* dy, float* dw,
                     Index begin, Index end) {
  for (Index i = begin; i < end; ++i) {
    const Taps taps = taps_of(i % g.p * g.stride - g.pad_top, g.h);
    const Row row = row_of(g, x, i, taps);
    with_count(taps.end - taps.begin, [&]<int R>() {
      weight_row<R>(g, row, dy + i * g.q * g.c, dw + row.first_tap * kFilter * g.c);
    });
  }
}

/// One coordinate of the gradient's input: the outputs that reach it and through which taps.
struct Reach {
  int count;
  Index out[kFilter];
  int tap[kFilter];
};

GRAFT_INLINE Reach reach_of(Index in, Index pad, Index stride, Index outputs) {
  Reach r = {0, {}, {}};
  for (int tap = 0; tap < kFilter; ++tap) {
    const Index place = in + pad - tap;
    if (place < 0 || place % stride != 0 || place / stride >= outputs) continue;
    r.out[r.count] = place / stride;
    r.tap[r.count++] = tap;
  }
  return r;
}

template <int R, int S>
void sum_reach(const DepthwiseGeometry g, const float* dy, const float* w, const Reach& rows,
               const Reach& columns, float* dx) {
  const float *from[R * S], *weight[R * S];
  for (int r = 0; r < R; ++r) {
    for (int s = 0; s < S; ++s) {
      from[r * S + s] = dy + (rows.out[r] * g.q + columns.out[s]) * g.c;
      weight[r * S + s] = w + (rows.tap[r] * kFilter + columns.tap[s]) * g.c;
    }
  }
  for (Index c = 0; c < g.c; c += kLanes) {
    Vec sum = {};
#pragma GCC unroll 9
    for (int t = 0; t < R * S; ++t) sum += load(from[t] + c) * load(weight[t] + c);
    at(dx + c) = sum;
  }
}

void backward_data(const DepthwiseGeometry& g, const float* dy, const float* w, float* dx,
                   Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const Reach rows = reach_of(row % g.h, g.pad_top, g.stride, g.p);
    const float* from = dy + row / g.h * g.p * g.q * g.c;
    for (Index iw = 0; iw < g.w; ++iw) {
      const Reach columns = reach_of(iw, g.pad_left, g.stride, g.q);
      float* to = dx + (row * g.w + iw) * g.c;
      if (rows.count == 0 || columns.count == 0) {
        for (Index j = 0; j < g.c; ++j) to[j] = 0;
        continue;
      }
      with_count(rows.count, [&]<int R>() {
        with_count(columns.count, [&]<int S>() { sum_reach<R, S>(g, from, w, rows, columns, to); });
      });
    }
  }
}

}  // namespace

const DepthwiseLoops kDepthwise = {forward, forward_bf16, backward_data, backward_weight};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
