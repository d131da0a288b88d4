// SPDX-License-Identifier: Apache-2.0
// 1x1 convolution on nhwc as a matrix product, only for AVX-512: its blocks of sums need 32 wide
// registers. A block of pixels meets a panel of filters; the sums stay in registers for up to
// kDepth channels, and are finished (bias, residual, clamp) before they leave the last time. While
// a block runs, the weights that come next are fetched into the second-level cache, and the
// residual that it will add into the first: for one image, weights come from far away.
#include <immintrin.h>

#include "kernels/cpu/simd/vec.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

constexpr Index kPanel = 4;    // vectors of filters in a panel
constexpr Index kDepth = 512;  // channels whose part of a panel stays in the second-level cache

/// Pixels of a block for a panel of V vectors: 24 sums, 14 where a row has one.
constexpr int block_rows(int v) { return v == 4 ? 6 : v == 3 ? 8 : v == 2 ? 12 : 14; }

GRAFT_INLINE Index smaller(Index a, Index b) { return a < b ? a : b; }
GRAFT_INLINE Index larger(Index a, Index b) { return a > b ? a : b; }
GRAFT_INLINE Index blocks_of(Index channels) { return (channels + kLanes - 1) / kLanes; }

/// A panel: vectors [first, first + width) of filters. Five that are left make three and two.
struct Panel {
  Index first, width;
};
GRAFT_INLINE Panel panel_at(Index first, Index blocks) {
  const Index left = blocks - first;
  return {first, left == kPanel + 1 ? kPanel - 1 : smaller(left, kPanel)};
}
GRAFT_INLINE Index panel_count(Index blocks) { return (blocks + kPanel - 1) / kPanel; }
GRAFT_INLINE Panel panel_number(Index i, Index blocks) {
  Panel p = panel_at(i * kPanel, blocks);
  if (i > 0 && blocks % kPanel == 1 && i == panel_count(blocks) - 1) {  // after the one of three
    p = {i * kPanel - 1, 2};
  }
  return p;
}

/// What blocks of one panel, one below the other, have in common. `weights`: (depth, V * kLanes).
struct Column {
  const float* weights;
  Index depth;
  const float* bias;  ///< of the first filter, or null
  float lo, hi;
  Index x_pitch, y_pitch;  ///< from a row to the next
  bool first, last;        ///< part of the channels
  __mmask16 mask;          ///< of the last vector's filters that exist
};
/// Where one block reads and writes.
struct Place {
  const float *x, *residual;  ///< residual: null if there is none
  float* y;
};

constexpr __mmask16 kAll = 0xFFFF;

/// Vector v of V at p; of the last there may be only a part.
template <int V>
GRAFT_INLINE Vec load_part(const Column& b, int v, const float* p) {
  return v < V - 1 || b.mask == kAll ? load(p) : Vec(_mm512_maskz_loadu_ps(b.mask, p));
}
template <int V>
GRAFT_INLINE void store_part(const Column& b, int v, float* p, const Vec& y) {
  if (v < V - 1 || b.mask == kAll) {
    at(p) = y;
  } else {
    _mm512_mask_storeu_ps(p, b.mask, y);
  }
}

/// Calls f(sum, its offset in y, its vector) for all sums.
template <int R, int V, class F>
GRAFT_INLINE void for_sums(Vec (&sum)[R][V], Index pitch, F f) {
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) f(sum[r][v], r * pitch + v * kLanes, v);
  }
}

/// Sums start from the bias, or from where the channels before left them.
template <int R, int V>
GRAFT_INLINE void start(const Column& b, const Place& place, Vec (&sum)[R][V]) {
  if (!b.first) {
    for_sums(
        sum, b.y_pitch, [&](Vec & s, Index at, int v) __attribute__((always_inline)) {
          s = load_part<V>(b, v, place.y + at);
        });
  } else if (b.bias != nullptr) {
    for_sums(
        sum, b.y_pitch, [&](Vec & s, Index, int v) __attribute__((always_inline)) {
          s = load_part<V>(b, v, b.bias + v * kLanes);
        });
  } else {
    for_sums(
        sum, b.y_pitch, [&](Vec & s, Index, int) __attribute__((always_inline)) { s = Vec{}; });
  }
  if (b.last && place.residual != nullptr) {
    for_sums(
        sum, b.y_pitch, [&](Vec&, Index at, int) __attribute__((always_inline)) {
          __builtin_prefetch(place.residual + at);
        });
  }
}

template <int R, int V>
GRAFT_INLINE void finish(const Column& b, const Place& place, Vec (&sum)[R][V]) {
  constexpr float kInf = __builtin_inff();
  if (b.last && place.residual != nullptr) {
    for_sums(
        sum, b.y_pitch, [&](Vec & s, Index at, int v) __attribute__((always_inline)) {
          s += load_part<V>(b, v, place.residual + at);
        });
  }
  if (b.last && b.lo > -kInf) {
    const Vec lo = b.lo - Vec{};
    for_sums(
        sum, b.y_pitch, [&](Vec & s, Index, int) __attribute__((always_inline)) {
          s = s < lo ? lo : s;
        });
  }
  if (b.last && b.hi < kInf) {
    const Vec hi = b.hi - Vec{};
    for_sums(
        sum, b.y_pitch, [&](Vec & s, Index, int) __attribute__((always_inline)) {
          s = s > hi ? hi : s;
        });
  }
  for_sums(
      sum, b.y_pitch, [&](Vec & s, Index at, int v) __attribute__((always_inline)) {
        store_part<V>(b, v, place.y + at, s);
      });
}

/// `count` blocks of R rows. The first V of them fetch what follows the weights, a quarter each.
template <int R, int V>
[[gnu::noinline]] void run_blocks(const Column& b, Place place, Index count) {
  const float* next = b.weights + b.depth * V * kLanes;
  for (Index i = 0; i < count; ++i) {
    Vec sum[R][V];
    start(b, place, sum);
    const float *w = b.weights, *ahead = i < V ? next + i * b.depth * kLanes : w;
    const Index depth = b.depth, pitch = b.x_pitch;
    for (Index c = 0; c < depth; ++c, w += V * kLanes, ahead += kLanes) {
      Vec filter[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) filter[v] = load(w + v * kLanes);
      __builtin_prefetch(ahead, 0, 2);
#pragma GCC unroll 14
      for (int r = 0; r < R; ++r) {
        const float x = place.x[r * pitch + c];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[r][v] += x * filter[v];
      }
    }
    asm volatile("" : : : "memory");  // nothing of what follows may take registers from the loop
    finish(b, place, sum);
    place.x += R * b.x_pitch;
    place.y += R * b.y_pitch;
    if (place.residual != nullptr) place.residual += R * b.y_pitch;
  }
}

/// The rows that do not fill a block of R + 1.
template <int R, int V>
GRAFT_INLINE void run_rest(Index rows, const Column& b, const Place& place) {
  if constexpr (R > 0) {
    if (rows == R) return run_blocks<R, V>(b, place, 1);
    run_rest<R - 1, V>(rows, b, place);
  }
}
template <int V>
void run_rows(Index rows, const Column& b, Place place) {
  constexpr int kRows = block_rows(V);
  const Index count = rows / kRows, done = count * kRows;
  run_blocks<kRows, V>(b, place, count);
  place.x += done * b.x_pitch;
  place.y += done * b.y_pitch;
  if (place.residual != nullptr) place.residual += done * b.y_pitch;
  run_rest<kRows - 1, V>(rows - done, b, place);
}

/// Rows [begin, end) of y for one panel.
void run_panel(const Conv1x1Geometry& g, const float* x, const float* packed, const ConvOutput& out,
               const Panel& panel, Index begin, Index end) {
  const Index width = panel.width * kLanes, first = panel.first * kLanes;
  const Index left = g.k - first - width + kLanes, y = begin * g.k + first;
  Column b{};
  b.lo = out.lo, b.hi = out.hi;
  b.bias = out.bias != nullptr ? out.bias + first : nullptr;
  b.x_pitch = g.c, b.y_pitch = g.k;
  b.mask = static_cast<__mmask16>(left >= kLanes ? 0xFFFFU : (1U << left) - 1);
  for (Index c = 0; c < g.c; c += kDepth) {
    b.depth = smaller(g.c - c, kDepth);
    b.weights = packed + first * g.c + c * width;
    b.first = c == 0, b.last = c + b.depth == g.c;
    const Place place = {x + begin * g.c + c, out.residual != nullptr ? out.residual + y : nullptr,
                         out.y + y};
    switch (panel.width) {
      case 1:
        run_rows<1>(end - begin, b, place);
        break;
      case 2:
        run_rows<2>(end - begin, b, place);
        break;
      case 3:
        run_rows<3>(end - begin, b, place);
        break;
      default:
        run_rows<4>(end - begin, b, place);
        break;
    }
  }
}

/// A unit of work is a row of one panel. They are ordered by bands of rows whose x stays in the
/// cache, in a band by panels, in those by rows. Every thread gets as many bands, equally long, so
/// that it reads what it wrote in the layer before; if rows are few, threads share panels, and each
/// reads only some of the weights.
struct Bands {
  Index panels, rows;
  Index band;  ///< rows
};
Bands bands_of(const Conv1x1Geometry& g) {
  constexpr Index kFloats = 112 * 1024, kLeast = 96;
  const Index most = larger(kFloats / g.c, kLeast);
  Index bands = larger((g.rows + most / 2) / most, 1);
  if (g.rows >= kLeast * g.threads) bands = (bands + g.threads - 1) / g.threads * g.threads;
  return {panel_count(blocks_of(g.k)), g.rows, (g.rows + bands - 1) / bands};
}

Index packed_floats(const Conv1x1Geometry& g) { return blocks_of(g.k) * kLanes * g.c; }

void pack(const Conv1x1Geometry& g, const float* w, float* packed) {
  const Index blocks = blocks_of(g.k);
  for (Panel p = panel_at(0, blocks); p.width > 0; p = panel_at(p.first + p.width, blocks)) {
    for (Index c = 0; c < g.c; ++c) {
      for (Index i = 0; i < p.width * kLanes; ++i, ++packed) {
        const Index k = p.first * kLanes + i;
        *packed = k < g.k ? w[k * g.c + c] : 0;
      }
    }
  }
}

Index units(const Conv1x1Geometry& g) {
  const Bands b = bands_of(g);
  return b.panels * b.rows;
}

void forward(const Conv1x1Geometry& g, const float* x, const float* packed, const ConvOutput& out,
             Index begin, Index end) {
  const Bands b = bands_of(g);
  while (begin < end) {
    const Index above = begin / (b.panels * b.band) * b.band;  // rows
    const Index band = smaller(b.band, b.rows - above), place = begin - above * b.panels;
    const Index panel = place / band, first = above + place % band;
    const Index count = smaller(end - begin, band - place % band);
    run_panel(g, x, packed, out, panel_number(panel, blocks_of(g.k)), first, first + count);
    begin += count;
  }
}

}  // namespace

const Conv1x1Loops kConv1x1 = {packed_floats, pack, units, forward};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
