// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/float_types.h"
#include "kernels/cpu/int8_types.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/pool_geometry.h"
#include "kernels/cpu/scratch.h"

namespace graft::kernels::cpu {
namespace {

constexpr std::int64_t kFlatWidth = 512;  // of rows that a flat tensor is cut into

std::byte* bytes_at(const Tensor& t, std::int64_t element) {
  return static_cast<std::byte*>(t.data()) + static_cast<std::size_t>(element) * size_of(t.dtype());
}

void run_rows(Context& ctx, const Tensor& x, Tensor& y, simd::Int8ScaleShift a, std::int64_t rows) {
  parallel_rows(ctx, rows, a.width, [&](std::int64_t begin, std::int64_t end) {
    simd::Int8ScaleShift part = a;
    part.x = bytes_at(x, begin * a.width);
    part.y = bytes_at(y, begin * a.width);
    simd::int8().scale_shift(part, end - begin);
  });
}

/// y = narrow(x * scale), without channels.
void run_flat(Context& ctx, const Tensor& x, float scale, Tensor& y) {
  float scales[kFlatWidth], shifts[kFlatWidth] = {};
  std::fill_n(scales, kFlatWidth, scale);
  const Bounds bounds = int8_bounds(Activation::kNone, 1, y);
  simd::Int8ScaleShift a = {x.data(), y.data(), int8_type(x), int8_type(y), kFlatWidth,
                            scales,   shifts,   bounds.lo,    bounds.hi};
  const std::int64_t rows = x.numel() / kFlatWidth, rest = x.numel() % kFlatWidth;
  run_rows(ctx, x, y, a, rows);
  if (rest == 0) return;
  a.x = bytes_at(x, rows * kFlatWidth);
  a.y = bytes_at(y, rows * kFlatWidth);
  a.width = rest;
  simd::int8().scale_shift(a, 1);
}

}  // namespace

void quantise_weights(Context& ctx, const Tensor& w, Tensor& q, Tensor& scale) {
  const std::int64_t row = w.shape().row_numel();
  const auto* from = w.ptr<const float>();
  auto* to = q.ptr<std::int8_t>();
  auto* scales = scale.ptr<float>();
  parallel_rows(ctx, w.shape()[0], row, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      scales[k] = simd::int8().quantise_filter(from + k * row, row, to + k * row);
    }
  });
}

void quantise(Context& ctx, float scale, const Tensor& x, Tensor& y) {
  run_flat(ctx, x, 1 / scale, y);
}

void dequantise(Context& ctx, float scale, const Tensor& x, Tensor& y) {
  run_flat(ctx, x, scale, y);
}

void scale_shift_fwd(Context& ctx, const ScaleShiftOptions& o, const Tensor& x, const Tensor& scale,
                     const Tensor& shift, Tensor& y) {
  const std::int64_t c = scale.numel();
  if (x.dtype() == DType::kBF16) {
    const Bounds bounds = bounds_of(o.activation);
    parallel_rows(ctx, x.numel() / c, c, [&](std::int64_t begin, std::int64_t end) {
      simd::pointwise().scale_shift(elements<simd::Bf16>(x) + begin * c, scale.ptr<const float>(),
                                    shift.ptr<const float>(), elements<simd::Bf16>(y) + begin * c,
                                    end - begin, c, bounds.lo, bounds.hi);
    });
    return;
  }
  const float x_scale = scale_of(x, o.x_scale), y_scale = scale_of(y, o.y_scale);
  Scratch scratch;
  const auto scales = scratch.array<float>(c), shifts = scratch.array<float>(c);
  scratch.open(ctx);
  for (std::int64_t i = 0; i < c; ++i) {
    scales.get()[i] = scale.ptr<const float>()[i] * x_scale / y_scale;
    shifts.get()[i] = shift.ptr<const float>()[i] / y_scale;
  }
  const Bounds bounds = int8_bounds(o.activation, y_scale, y);
  run_rows(ctx, x, y,
           {x.data(), y.data(), int8_type(x), int8_type(y), c, scales.get(), shifts.get(),
            bounds.lo, bounds.hi},
           x.numel() / c);
}

void max_pool_int8_fwd(Context& ctx, const PoolOptions& o, const Tensor& x, Tensor& y) {
  const simd::PoolGeometry g = pool_geometry(o, x.shape(), y.shape());
  parallel_rows(ctx, y.shape()[0] * g.p, g.q * g.c, [&](std::int64_t begin, std::int64_t end) {
    simd::int8().max_pool(g, x.data(), y.data(), x.dtype() == DType::kI8, begin, end);
  });
}

void avg_pool_int8_fwd(Context& ctx, const PoolOptions& o, const Tensor& x, Tensor& y) {
  const simd::PoolGeometry g = pool_geometry(o, x.shape(), y.shape());
  Scratch scratch;
  const auto columns = scratch.array<std::uint16_t>(ctx.threads() * g.w * g.c);
  scratch.open(ctx);
  const std::int64_t grain = kGrainElements / std::max<std::int64_t>(g.w * g.c, 1);
  parallel_threads(ctx, y.shape()[0] * g.p, grain, 1,
                   [&](std::int64_t begin, std::int64_t end, int thread) {
                     simd::int8().avg_pool(g, x.data(), y.data(), x.dtype() == DType::kI8,
                                           columns.get() + thread * g.w * g.c, begin, end);
                   });
}

void global_avg_pool_int8_fwd(Context& ctx, float scale, const Tensor& x, Tensor& y) {
  const std::int64_t hw = x.shape()[1] * x.shape()[2], c = x.shape()[3];
  Scratch scratch;
  const auto sums = scratch.array<std::int32_t>(ctx.threads() * c);
  scratch.open(ctx);
  auto* ys = y.ptr<float>();
  parallel_threads(ctx, x.shape()[0], kGrainElements / std::max<std::int64_t>(hw * c, 1), 1,
                   [&](std::int64_t begin, std::int64_t end, int thread) {
                     simd::int8().global_avg(x.data(), x.dtype() == DType::kI8, hw, c,
                                             scale / static_cast<float>(hw),
                                             sums.get() + thread * c, ys, begin, end);
                   });
}

}  // namespace graft::kernels::cpu
