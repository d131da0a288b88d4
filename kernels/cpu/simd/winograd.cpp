// SPDX-License-Identifier: Apache-2.0
// Winograd F(4x4,3x3) on nhwc, only for AVX-512: its blocks of sums need 32 wide registers. A tile
// of 4x4 outputs sees a patch of 6x6 inputs; transformed, the 36 places ("points") of all patches
// are 36 matrix products over channels, a quarter of the direct multiplications. A chunk of tiles
// goes through all three steps while it is in the cache.
//
// In one dimension the polynomials are evaluated at 0, a, -a, b, -b and infinity. a = 5/8, b = 3/2:
// exact in f32, and a third of the error of 1 and 2 or 1/2 and 1 (the worst element of 16x16x32 at
// 22% of the tests' tolerance instead of 83% or 81%; direct sums are at 7%).
#include "kernels/cpu/simd/vec.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

constexpr Index kTile = kWinogradTile;
constexpr int kFilter = 3, kTaps = kFilter * kFilter;
constexpr int kPatch = kTile + kFilter - 1, kPoints = kPatch * kPatch;
constexpr Index kChunkTiles = 48;  // a multiple of every number of rows that a block has

constexpr double kA = 0.625, kB = 1.5;
constexpr double kA2 = kA * kA, kB2 = kB * kB;

GRAFT_INLINE void input_1d(const Vec& d0, const Vec& d1, const Vec& d2, const Vec& d3,
                           const Vec& d4, const Vec& d5, Vec* out) {
  constexpr float kSum = kA2 + kB2, kProduct = kA2 * kB2;
  constexpr float kAf = kA, kBf = kB, kA2f = kA2, kB2f = kB2;
  out[0] = kProduct * d0 - kSum * d2 + d4;
  const Vec even_a = d4 - kB2f * d2, odd_a = d3 - kB2f * d1;
  const Vec even_b = d4 - kA2f * d2, odd_b = d3 - kA2f * d1;
  out[1] = even_a + kAf * odd_a;
  out[2] = even_a - kAf * odd_a;
  out[3] = even_b + kBf * odd_b;
  out[4] = even_b - kBf * odd_b;
  out[5] = kProduct * d1 - kSum * d3 + d5;
}

GRAFT_INLINE void output_1d(const Vec& m0, const Vec& m1, const Vec& m2, const Vec& m3,
                            const Vec& m4, const Vec& m5, Vec* out) {
  constexpr float kAf = kA, kBf = kB, kA2f = kA2, kB2f = kB2, kA3f = kA * kA2, kB3f = kB * kB2;
  const Vec sum_a = m1 + m2, difference_a = m1 - m2;
  const Vec sum_b = m3 + m4, difference_b = m3 - m4;
  out[0] = m0 + sum_a + sum_b;
  out[1] = kAf * difference_a + kBf * difference_b;
  out[2] = kA2f * sum_a + kB2f * sum_b;
  out[3] = kA3f * difference_a + kB3f * difference_b + m5;
}

/// Half a Vec in f64.
constexpr Index kWideLanes = kLanes / 2;
using Half
    [[gnu::vector_size(kWideLanes * sizeof(float)), gnu::aligned(alignof(float)), gnu::may_alias]] =
        float;
using Wide [[gnu::vector_size(kWideLanes * sizeof(double))]] = double;

GRAFT_INLINE void filter_1d(const Wide& g0, const Wide& g1, const Wide& g2, Wide* out) {
  constexpr double kAtZero = 1 / (kA2 * kB2), kAtA = 1 / (2 * kA2 * (kA2 - kB2)),
                   kAtB = 1 / (2 * kB2 * (kB2 - kA2));
  const Wide even_a = (g0 + kA2 * g2) * kAtA, odd_a = g1 * (kA * kAtA);
  const Wide even_b = (g0 + kB2 * g2) * kAtB, odd_b = g1 * (kB * kAtB);
  out[0] = g0 * kAtZero;
  out[1] = even_a + odd_a;
  out[2] = even_a - odd_a;
  out[3] = even_b + odd_b;
  out[4] = even_b - odd_b;
  out[5] = g2;
}

/// Transformed matrices and products lie as [point][block of kLanes channels][tile][lane]. A line
/// more than needed from point to point: else all 36 would fall into the same sets of the cache.
struct Layout {
  Index point, block;
};
constexpr Index kBlockPitch = kChunkTiles * kLanes;
GRAFT_INLINE Layout layout_of(Index channels) {
  return {kChunkTiles * channels + kLanes, kBlockPitch};
}

void input_tile(const float* const* from, Index blocks, float* to, Layout layout) {
  for (Index b = 0; b < blocks; ++b, to += layout.block) {
    Vec t[kPatch][kPatch];
    const Index c = b * kLanes;
#pragma GCC unroll 6
    for (int j = 0; j < kPatch; ++j) {
      const float* const* column = from + j;
      input_1d(load(column[0] + c), load(column[kPatch] + c), load(column[2 * kPatch] + c),
               load(column[3 * kPatch] + c), load(column[4 * kPatch] + c),
               load(column[5 * kPatch] + c), t[j]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < kPatch; ++i) {
      Vec r[kPatch];
      input_1d(t[0][i], t[1][i], t[2][i], t[3][i], t[4][i], t[5][i], r);
#pragma GCC unroll 6
      for (int j = 0; j < kPatch; ++j) at(to + (i * kPatch + j) * layout.point) = r[j];
    }
  }
}

struct Range {
  Index begin, end;
};

/// Rows x columns of the tile's outputs that are inside the image.
template <bool kResidual>
void output_tile(const float* m, Layout layout, Range blocks, const ConvOutput& out, Index first,
                 Index row_pitch, Index pixel_pitch, Index rows, Index columns) {
  const float lo = out.lo, hi = out.hi;
  m += blocks.begin * layout.block;
  first += blocks.begin * kLanes;
  for (Index b = blocks.begin; b < blocks.end; ++b, m += layout.block, first += kLanes) {
    Vec t[kPatch][kTile];
#pragma GCC unroll 6
    for (int j = 0; j < kPatch; ++j) {
      const float* from = m + j * layout.point;
      const Index row = kPatch * layout.point;
      output_1d(load(from), load(from + row), load(from + 2 * row), load(from + 3 * row),
                load(from + 4 * row), load(from + 5 * row), t[j]);
    }
    const Vec start = load(out.bias + b * kLanes);
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i) {
      if (i >= rows) break;
      Vec r[kTile];
      output_1d(t[0][i], t[1][i], t[2][i], t[3][i], t[4][i], t[5][i], r);
#pragma GCC unroll 4
      for (int j = 0; j < kTile; ++j) {
        if (j >= columns) continue;
        const Index place = first + i * row_pitch + j * pixel_pitch;
        Vec sum = r[j] + start;
        if constexpr (kResidual) sum += load(out.residual + place);
        clamp(sum, lo, hi);
        at(out.y + place) = sum;
      }
    }
  }
}

/// The columns of the transformed filters lie in panels of up to kPanel blocks, (C, panel) each.
constexpr Index kPanel = 4;
struct Panel {
  Index first, width;  ///< blocks
};
GRAFT_INLINE Panel panel_at(Index first, Index blocks) {
  const Index left = blocks - first;
  return {first, left == kPanel + 1 ? kPanel - 1 : left < kPanel ? left : kPanel};
}
GRAFT_INLINE Index panel_count(Index blocks) { return (blocks + kPanel - 1) / kPanel; }
GRAFT_INLINE Panel panel_of(Index block, Index blocks) {
  Panel p = panel_at(0, blocks);
  while (p.first + p.width <= block) p = panel_at(p.first + p.width, blocks);
  return p;
}

/// R tiles x V blocks of one point: the sums stay in registers.
template <int R, int V>
void product(const float* a, const float* b, Index blocks, float* m) {
  Vec sum[R][V] = {};
  for (Index block = 0; block < blocks; ++block, a += kBlockPitch) {
#pragma GCC unroll 4
    for (int j = 0; j < kLanes; ++j, b += V * kLanes) {
      Vec w[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) w[v] = load(b + v * kLanes);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const float s = a[r * kLanes + j];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[r][v] += s * w[v];
      }
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) at(m + v * kBlockPitch + r * kLanes) = sum[r][v];
  }
}

/// The tiles that do not fill a block of R + 1.
template <int R, int V>
GRAFT_INLINE void product_rest(Index rows, const float* a, const float* b, Index blocks, float* m) {
  if constexpr (R > 0) {
    if (rows == R) return product<R, V>(a, b, blocks, m);
    product_rest<R - 1, V>(rows, a, b, blocks, m);
  }
}

template <int V>
void panel(Index rows, const float* a, const float* b, Index blocks, float* m) {
  constexpr int kRows = V == 4 ? 6 : V == 3 ? 8 : 12;  // 24 sums, 12 where a row has one
  Index r = 0;
  for (; r + kRows <= rows; r += kRows) {
    product<kRows, V>(a + r * kLanes, b, blocks, m + r * kLanes);
  }
  product_rest<kRows - 1, V>(rows - r, a + r * kLanes, b, blocks, m + r * kLanes);
}

/// m = v * u of one point, for the panels inside `range`, in blocks.
void products(const WinogradGeometry& g, Range range, Index rows, const float* v, const float* u,
              float* m) {
  const Index c_blocks = g.c / kLanes, k_blocks = g.k / kLanes;
  for (Panel p = panel_at(range.begin, k_blocks); p.first < range.end;
       p = panel_at(p.first + p.width, k_blocks)) {
    const float* b = u + p.first * kLanes * g.c;
    float* to = m + p.first * kBlockPitch;
    switch (p.width) {
      case 1:
        panel<1>(rows, v, b, c_blocks, to);
        break;
      case 2:
        panel<2>(rows, v, b, c_blocks, to);
        break;
      case 3:
        panel<3>(rows, v, b, c_blocks, to);
        break;
      default:
        panel<4>(rows, v, b, c_blocks, to);
        break;
    }
  }
}

struct Place {
  Index n, p, q;  ///< example, first output
};

GRAFT_INLINE Place place_of(const WinogradGeometry& g, Index tile) {
  const Index across = (g.q + kTile - 1) / kTile, down = (g.p + kTile - 1) / kTile;
  return {tile / (across * down), tile / across % down * kTile, tile % across * kTile};
}

/// The patch of a tile; pixels outside the image are `zeros`.
GRAFT_INLINE void patch_of(const WinogradGeometry& g, const float* x, const float* zeros,
                           const Place& place, const float** from) {
  for (int i = 0; i < kPatch; ++i) {
    for (int j = 0; j < kPatch; ++j) {
      const Index ih = place.p - g.pad_top + i, iw = place.q - g.pad_left + j;
      const bool inside = ih >= 0 && ih < g.h && iw >= 0 && iw < g.w;
      from[i * kPatch + j] = inside ? x + ((place.n * g.h + ih) * g.w + iw) * g.c : zeros;
    }
  }
}

GRAFT_INLINE Index larger(Index a, Index b) { return a > b ? a : b; }
GRAFT_INLINE Index smaller(Index a, Index b) { return a < b ? a : b; }

Index filter_floats(const WinogradGeometry& g) { return kPoints * g.c * g.k; }
Index scratch_floats(const WinogradGeometry& g) {
  return larger(g.c, g.k) + kPoints * (layout_of(g.c).point + layout_of(g.k).point);
}

Index panels(const WinogradGeometry& g) { return panel_count(g.k / kLanes); }

/// The blocks of panels [first, last).
Range blocks_of(const WinogradGeometry& g, Index first, Index last) {
  const Index blocks = g.k / kLanes;
  Range r = {0, 0};
  for (Index i = 0; i < last; ++i) {
    if (i == first) r.begin = r.end;
    const Panel p = panel_at(r.end, blocks);
    r.end = p.first + p.width;
  }
  return r;
}

void forward(const WinogradGeometry& geometry, const float* x, const float* u,
             const ConvOutput& output, float* scratch, Index begin, Index end, Index first_panel,
             Index last_panel) {
  const WinogradGeometry g = geometry;
  ConvOutput result = output;
  const Layout in = layout_of(g.c), out = layout_of(g.k);
  const Range blocks = blocks_of(g, first_panel, last_panel);
  float* zeros = scratch;
  float* v = zeros + larger(g.c, g.k);
  float* m = v + kPoints * in.point;
  for (float* p = zeros; p < v; ++p) *p = 0;
  if (result.bias == nullptr) result.bias = zeros;
  const auto store = result.residual != nullptr ? output_tile<true> : output_tile<false>;
  const Index chunks = (end - begin + kChunkTiles - 1) / kChunkTiles;
  for (Index chunk = 0, first = begin; chunk < chunks; ++chunk) {
    const Index count = (end - first) / (chunks - chunk);
    for (Index t = 0; t < count; ++t) {
      const float* from[kPoints];
      patch_of(g, x, zeros, place_of(g, first + t), from);
      input_tile(from, g.c / kLanes, v + t * kLanes, in);
    }
    for (int point = 0; point < kPoints; ++point) {
      products(g, blocks, count, v + point * in.point, u + point * g.c * g.k,
               m + point * out.point);
    }
    for (Index t = 0; t < count; ++t) {
      const Place at = place_of(g, first + t);
      store(m + t * kLanes, out, blocks, result, ((at.n * g.p + at.p) * g.q + at.q) * g.k,
            g.q * g.k, g.k, smaller(g.p - at.p, kTile), smaller(g.q - at.q, kTile));
    }
    first += count;
  }
}

/// 3x3 taps of kLanes x kLanes (c, k) pairs; k is contiguous.
struct Taps {
  float of[kTaps][kLanes][kLanes];
};

/// Pairs from (c0, k0) on, out of w (K,3,3,C), or out of w (C,3,3,K) rotated by half a turn.
GRAFT_INLINE void gather_taps(const WinogradGeometry& g, const float* w, bool rotated, Index c0,
                              Index k0, Taps& taps) {
  for (Index i = 0; i < kLanes; ++i) {
    for (int t = 0; t < kTaps; ++t) {
      if (rotated) {
        at(taps.of[kTaps - 1 - t][i]) = load(w + ((c0 + i) * kTaps + t) * g.k + k0);
        continue;
      }
      const float* from = w + ((k0 + i) * kTaps + t) * g.c + c0;
      for (Index c = 0; c < kLanes; ++c) taps.of[t][c][i] = from[c];
    }
  }
}

GRAFT_INLINE Wide widen(const float* p) {
  return __builtin_convertvector(*reinterpret_cast<const Half*>(p), Wide);
}

/// One c and kWideLanes k: 9 taps to 36 points, `pitch` floats apart.
GRAFT_INLINE void transform_taps(const Taps& taps, Index c, Index k, float* to, Index pitch) {
  Wide t[kFilter][kPatch];
#pragma GCC unroll 3
  for (int s = 0; s < kFilter; ++s) {
    filter_1d(widen(taps.of[s][c] + k), widen(taps.of[kFilter + s][c] + k),
              widen(taps.of[2 * kFilter + s][c] + k), t[s]);
  }
#pragma GCC unroll 6
  for (int i = 0; i < kPatch; ++i) {
    Wide r[kPatch];
    filter_1d(t[0][i], t[1][i], t[2][i], r);
#pragma GCC unroll 6
    for (int j = 0; j < kPatch; ++j) {
      *reinterpret_cast<Half*>(to + (i * kPatch + j) * pitch) = __builtin_convertvector(r[j], Half);
    }
  }
}

void filters(const WinogradGeometry& g, const float* w, bool rotated, float* u, Index begin,
             Index end) {
  for (Index block = begin; block < end; ++block) {
    const Panel p = panel_of(block, g.k / kLanes);
    const Index row = p.width * kLanes;
    float* column = u + p.first * kLanes * g.c + (block - p.first) * kLanes;
    for (Index c0 = 0; c0 < g.c; c0 += kLanes) {
      Taps taps;
      gather_taps(g, w, rotated, c0, block * kLanes, taps);
      for (Index c = 0; c < kLanes; ++c) {
        for (Index k = 0; k < kLanes; k += kWideLanes) {
          transform_taps(taps, c, k, column + (c0 + c) * row + k, g.c * g.k);
        }
      }
    }
  }
}

}  // namespace

const WinogradLoops kWinograd = {filter_floats, scratch_floats, filters, panels, forward};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
