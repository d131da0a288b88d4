// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels::cpu {

void gather_rows(Context& ctx, const Tensor& x, std::span<const std::int32_t> row, Tensor& out) {
  const std::size_t bytes = static_cast<std::size_t>(x.shape().row_numel()) * size_of(x.dtype());
  const auto* from = static_cast<const std::byte*>(x.data());
  auto* to = static_cast<std::byte*>(out.data());
  const auto count = static_cast<std::int64_t>(row.size());
  parallel_rows(ctx, count, x.shape().row_numel(), [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      std::memcpy(to + i * bytes, from + static_cast<std::size_t>(row[i]) * bytes, bytes);
    }
  });
}

void compact_rows(Context& ctx, Tensor& x, std::span<const std::int32_t> row) {
  const auto width = x.shape().row_numel() * static_cast<std::int64_t>(size_of(x.dtype()));
  auto* bytes = static_cast<std::byte*>(x.data());
  // Threads take columns, not rows: a row is read by the thread that later writes there.
  const auto count = static_cast<std::int64_t>(row.size());
  const std::int64_t grain = kGrainElements * static_cast<std::int64_t>(sizeof(float)) / count + 1;
  constexpr std::int64_t kCacheLine = 64;
  parallel_ranges(ctx, width, grain, kCacheLine, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t from = row[static_cast<std::size_t>(i)];
      if (from == i) continue;
      std::memcpy(bytes + i * width + begin, bytes + from * width + begin,
                  static_cast<std::size_t>(end - begin));
    }
  });
}

void scatter_add_rows(Context& ctx, const Tensor& x, std::span<const std::int32_t> row,
                      Tensor& out) {
  const std::int64_t width = x.shape().row_numel();
  const auto* xs = x.ptr<const float>();
  auto* ys = out.ptr<float>();
  // Threads take columns, not rows: a repeated row is added in order of i.
  const auto count = static_cast<std::int64_t>(row.size());
  const std::int64_t grain = kGrainElements / count + 1;
  constexpr std::int64_t kCacheLine = 16;
  parallel_ranges(ctx, width, grain, kCacheLine, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < count; ++i) {
      simd::pointwise().add(xs + i * width + begin,
                            ys + row[static_cast<std::size_t>(i)] * width + begin, end - begin);
    }
  });
}

}  // namespace graft::kernels::cpu
