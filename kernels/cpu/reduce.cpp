// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels::cpu {

double sum_squares(Context& ctx, const Tensor& x) {
  // Blocks of a fixed size, added in order: the same bits whatever the thread count.
  constexpr std::int64_t kBlock = kGrainElements;
  const std::int64_t n = x.numel(), n_blocks = (n + kBlock - 1) / kBlock;
  Scratch scratch;
  const auto partial = scratch.array<double>(n_blocks);
  scratch.open(ctx);
  const auto* xs = x.ptr<const float>();
  parallel_ranges(ctx, n_blocks, 1, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t from = b * kBlock;
      partial.get()[b] = simd::pointwise().sum_squares(xs + from, std::min(kBlock, n - from));
    }
  });
  return std::accumulate(partial.get(), partial.get() + n_blocks, 0.0);
}

}  // namespace graft::kernels::cpu
