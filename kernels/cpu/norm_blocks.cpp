// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/norm_blocks.h"

#include <algorithm>
#include <numeric>

#include "kernels/cpu/activation.h"

namespace graft::kernels::cpu {
namespace {

constexpr std::int64_t kVector = 16;     // floats of the widest vector
constexpr std::int64_t kMinWidth = 128;  // independent sums that hide the latency of an addition
constexpr std::int64_t kCacheBytes = std::int64_t{8} << 20;  // a core's share of the last level
constexpr std::int64_t kRowsAtOnce = 4;                      // of the loops in simd/norm.cpp
constexpr std::int64_t kBlockFloats = 16384;
constexpr std::int64_t kMinBlockRows = 64;  // so that partial sums stay small next to the data

std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

std::int64_t repeat_of(std::int64_t c) {
  if (c >= kMinWidth) return 1;
  return round_up((kMinWidth + c - 1) / c, kVector / std::gcd(c, kVector));
}

/// Adds the columns of one channel up: sum over r of v[r * c + j].
double fold(const RowBlocks& rows, const float* v, std::int64_t j) {
  double sum = 0;
  for (std::int64_t i = j; i < rows.width; i += rows.c) sum += static_cast<double>(v[i]);
  return sum;
}

void clear(const RowBlocks& rows, const Accumulators& a) {
  std::fill_n(a.first, rows.width, 0.0f);
  std::fill_n(a.second, rows.width, 0.0f);
}

}  // namespace

RowBlocks::RowBlocks(std::int64_t n_rows, std::int64_t channels)
    : rows(n_rows),
      c(channels),
      repeat(repeat_of(channels)),
      width(repeat * channels),
      block_rows(round_up(std::max(kMinBlockRows, kBlockFloats / channels), kRowsAtOnce * repeat)),
      count((n_rows + block_rows - 1) / block_rows) {}

void RowBlocks::repeat_columns(float* v, std::int64_t first, std::int64_t last) const {
  for (std::int64_t r = 1; r < repeat; ++r) std::copy(v + first, v + last, v + r * c + first);
}

void block_moments(const RowBlocks& rows, const float* x, std::int64_t block, const Accumulators& a,
                   const Partials& out) {
  const std::int64_t begin = rows.begin(block), n = rows.end(block) - begin;
  std::copy_n(x + begin, rows.c, a.pivot);
  rows.repeat_columns(a.pivot, 0, rows.c);
  clear(rows, a);
  simd::norm().moments(x + begin, n, rows.width, a.pivot, a.first, a.second);
  const auto n_rows = static_cast<double>(rows.rows_of(block));
  for (std::int64_t j = 0; j < rows.c; ++j) {
    const double shifted = fold(rows, a.first, j) / n_rows;
    const double squares = fold(rows, a.second, j);
    out.first[block * rows.c + j] = static_cast<double>(a.pivot[j]) + shifted;
    out.second[block * rows.c + j] = std::max(0.0, squares - n_rows * shifted * shifted);
  }
}

void merge_moments(const RowBlocks& rows, const Partials& p, std::int64_t begin, std::int64_t end) {
  std::fill(p.first_total + begin, p.first_total + end, 0.0);
  std::fill(p.second_total + begin, p.second_total + end, 0.0);
  for (std::int64_t b = 0; b < rows.count; ++b) {
    const double share = static_cast<double>(rows.rows_of(b)) / static_cast<double>(rows.rows);
    const double* mean = p.first + b * rows.c;
    for (std::int64_t j = begin; j < end; ++j) p.first_total[j] += share * mean[j];
  }
  for (std::int64_t b = 0; b < rows.count; ++b) {
    const auto n_rows = static_cast<double>(rows.rows_of(b));
    const double* mean = p.first + b * rows.c;
    const double* squares = p.second + b * rows.c;
    for (std::int64_t j = begin; j < end; ++j) {
      const double d = mean[j] - p.first_total[j];
      p.second_total[j] += squares[j] + n_rows * d * d;
    }
  }
}

void block_gradient_sums(const RowBlocks& rows, const simd::NormBackwardLoop& loop,
                         std::int64_t block, const Accumulators& a, const Partials& out) {
  clear(rows, a);
  simd::norm().gradient_sums(loop, rows.begin(block), rows.end(block), a.first, a.second);
  for (std::int64_t j = 0; j < rows.c; ++j) {
    out.first[block * rows.c + j] = fold(rows, a.first, j);
    out.second[block * rows.c + j] = fold(rows, a.second, j);
  }
}

void merge_sums(const RowBlocks& rows, const Partials& p, std::int64_t begin, std::int64_t end) {
  std::fill(p.first_total + begin, p.first_total + end, 0.0);
  std::fill(p.second_total + begin, p.second_total + end, 0.0);
  for (std::int64_t b = 0; b < rows.count; ++b) {
    for (std::int64_t j = begin; j < end; ++j) {
      p.first_total[j] += p.first[b * rows.c + j];
      p.second_total[j] += p.second[b * rows.c + j];
    }
  }
}

simd::NormBackwardLoop backward_loop(const NormBackward& args, Activation activation, Tensor& dx,
                                     Tensor& dresidual) {
  simd::NormBackwardLoop loop = {};
  loop.x = args.x.ptr<const float>();
  loop.dy = args.dy.ptr<const float>();
  loop.dy2 = args.dy2.ptr<const float>();
  loop.beyond_cache = static_cast<std::int64_t>(args.x.bytes()) > kCacheBytes;
  loop.hi = bounds_of(activation).hi;
  if (activation != Activation::kNone) {
    loop.mask = args.has_residual ? simd::MaskFrom::kY : simd::MaskFrom::kX;
  }
  if (loop.mask == simd::MaskFrom::kY) loop.y = args.y.ptr<const float>();
  if (args.dx_mode != GradMode::kSkip) loop.dx = dx.ptr<float>();
  loop.dx_accumulate = args.dx_mode == GradMode::kAccumulate;
  if (args.dresidual_mode == GradMode::kSkip) return loop;
  loop.dz = dresidual.ptr<float>();
  const bool unchanged = loop.mask == simd::MaskFrom::kNothing && loop.dy2 == nullptr;
  if (args.dresidual_mode == GradMode::kAccumulate) {
    loop.dz_mode = simd::DzMode::kAccumulate;
  } else if (loop.dz != loop.dy || !unchanged) {
    loop.dz_mode = simd::DzMode::kOverwrite;
  }
  return loop;
}

void read_stored_gradient(simd::NormBackwardLoop& loop) {
  if (loop.dz_mode != simd::DzMode::kOverwrite) return;
  loop.dy = loop.dz;
  loop.dy2 = nullptr;
  loop.mask = simd::MaskFrom::kNothing;
}

simd::NormBackwardLoop advanced(const simd::NormBackwardLoop& loop, std::int64_t at) {
  simd::NormBackwardLoop l = loop;
  l.x += at;
  l.dy += at;
  if (l.y != nullptr) l.y += at;
  if (l.dy2 != nullptr) l.dy2 += at;
  if (l.dz != nullptr) l.dz += at;
  if (l.dx != nullptr) l.dx += at;
  return l;
}

void store(GradMode mode, float* out, std::int64_t i, double g) {
  if (mode == GradMode::kOverwrite) out[i] = static_cast<float>(g);
  if (mode == GradMode::kAccumulate) out[i] += static_cast<float>(g);
}

}  // namespace graft::kernels::cpu
