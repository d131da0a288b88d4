// SPDX-License-Identifier: Apache-2.0
// int8 depthwise 3x3 on nhwc, only for AVX-512 VNNI. The three pixels that stand above each other
// become one register: a channel's three bytes (and a zero) side by side. One multiply-add is then
// a column of the filter, and an input column serves the three outputs that see it.
#include "kernels/cpu/simd/int8_finish.h"

namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA {
namespace {

constexpr int kFilter = 3;
constexpr Index kQuad = 4;

/// packed: [block of kLanes][s][lane][3 rows, 0].
void pack(Index c, const std::int8_t* w, std::int8_t* packed, std::int32_t* sum) {
  for (Index k = 0; k < c; ++k) {
    sum[k] = 0;
    for (int s = 0; s < kFilter; ++s) {
      std::int8_t* to = packed + ((k / kLanes * kFilter + s) * kLanes + k % kLanes) * kQuad;
      for (int r = 0; r < kFilter; ++r) {
        to[r] = w[(k * kFilter + r) * kFilter + s];
        sum[k] += to[r];
      }
      to[kFilter] = 0;
    }
  }
}

/// Input rows under one output row; `zeros` stands for those outside the image.
struct Rows {
  const Byte* row[kFilter];
};

GRAFT_INLINE Rows rows_of(const DepthwiseGeometry& g, const Byte* x, const Byte* zeros, Index out) {
  const Index n = out / g.p, first = out % g.p * g.stride - g.pad_top;
  Rows rows{};
  for (int r = 0; r < kFilter; ++r) {
    const Index h = first + r;
    rows.row[r] = h >= 0 && h < g.h ? x + (n * g.h + h) * g.w * g.c : zeros;
  }
  return rows;
}

struct Columns {
  const Rows& rows;
  Index width, pitch;
  __m512i gather, transpose, flips;

  /// Channels [c, c + kLanes) of the input column `col`, three bytes a lane.
  GRAFT_INLINE __m512i at(Index col, Index c) const {
    if (col < 0 || col >= width) return flips;
    const auto load = [&](int r) __attribute__((always_inline)) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows.row[r] + col * pitch + c));
    };
    __m512i v = _mm512_zextsi128_si512(load(0));
    v = _mm512_inserti32x4(v, load(1), 1);
    v = _mm512_inserti32x4(v, load(2), 2);
    v = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(gather, v), transpose);
    return _mm512_xor_si512(v, flips);
  }
};

template <Index kStride, Int8Type kY, bool kNone, Int8Type kResidual>
void output_row(const DepthwiseGeometry& g, const Int8ConvArgs& a, const Columns& columns,
                Index out) {
  for (Index c = 0; c < g.c; c += kLanes) {
    const std::int8_t* w = a.w + c * kFilter * kQuad;
    const __m512i w0 = _mm512_loadu_si512(w), w1 = _mm512_loadu_si512(w + kLanes * kQuad),
                  w2 = _mm512_loadu_si512(w + 2 * kLanes * kQuad);
    const Finish f = finish_of(a, g.c, c);
    Index col = -g.pad_left;
    __m512i x0 = columns.at(col, c), x1 = columns.at(col + 1, c);
    for (Index q = 0; q < g.q; ++q, col += kStride) {
      const __m512i x2 = columns.at(col + 2, c);
      __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), x0, w0);
      sum = _mm512_dpbusd_epi32(sum, x1, w1);
      sum = _mm512_dpbusd_epi32(sum, x2, w2);
      finish<kY, kNone, kResidual>(f, (out * g.q + q) * g.c + c, sum);
      x0 = kStride == 1 ? x1 : x2;
      x1 = kStride == 1 ? x2 : columns.at(col + kStride + 1, c);
    }
  }
}

void forward(const DepthwiseGeometry& geometry, const Int8ConvArgs& args, const std::uint8_t* zeros,
             Index begin, Index end) {
  const DepthwiseGeometry g = geometry;
  const Int8ConvArgs a = args;
  constexpr int kUnused = 12;  // a dword that is always zero
  const __m512i gather =
      _mm512_setr_epi32(0, 4, 8, kUnused, 1, 5, 9, kUnused, 2, 6, 10, kUnused, 3, 7, 11, kUnused);
  const __m512i transpose =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m512i flips = _mm512_set1_epi8(a.x_signed ? static_cast<char>(kSignBit) : 0);
  const auto row = with_types(a, [&]<Int8Type kY, bool kNone, Int8Type kResidual>() {
    return g.stride == 1 ? &output_row<1, kY, kNone, kResidual>
                         : &output_row<2, kY, kNone, kResidual>;
  });
  for (Index out = begin; out < end; ++out) {
    const Rows rows = rows_of(g, a.x, zeros, out);
    row(g, a, {rows, g.w, g.c, gather, transpose, flips}, out);
  }
}

}  // namespace

const Int8DepthwiseLoops kInt8Depthwise = {pack, forward};

}  // namespace graft::kernels::cpu::simd::GRAFT_SIMD_ISA
