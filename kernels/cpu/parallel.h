// SPDX-License-Identifier: Apache-2.0
// The one thread budget: every region has at most Context::threads() threads, and small work stays
// on the calling thread (a region costs microseconds, and more where another core is busy).
#pragma once

#include <algorithm>
#include <cstdint>

#include <omp.h>

#include "engine/device/context.h"

namespace graft::kernels::cpu {

/// Elements that are worth a thread of their own, for loops bound by memory.
inline constexpr std::int64_t kGrainElements = 16384;

/// How many threads `n` items are worth, if `grain` items are worth one.
inline int team_size(const Context& ctx, std::int64_t n, std::int64_t grain) {
  return static_cast<int>(
      std::clamp<std::int64_t>(n / std::max<std::int64_t>(grain, 1), 1, ctx.threads()));
}

/// Part `i` of `parts` equal, contiguous parts of [0, n), cut at multiples of `unit`.
struct Range {
  std::int64_t begin, end;
};
inline Range part_of(std::int64_t n, std::int64_t unit, int i, int parts) {
  const std::int64_t units = (n + unit - 1) / unit;
  return {std::min(n, units * i / parts * unit), std::min(n, units * (i + 1) / parts * unit)};
}

/// f(begin, end, thread) for contiguous ranges that cover [0, n), cut at multiples of `unit`;
/// thread is in [0, Context::threads()).
template <class F>
void parallel_threads(Context& ctx, std::int64_t n, std::int64_t grain, std::int64_t unit,
                      const F& f) {
  const int team = team_size(ctx, n, grain);
  if (team == 1) {
    f(std::int64_t{0}, n, 0);
    return;
  }
#pragma omp parallel num_threads(team)
  {
    const int thread = omp_get_thread_num();
    const Range r = part_of(n, unit, thread, omp_get_num_threads());
    if (r.begin < r.end) f(r.begin, r.end, thread);
  }
}

/// The same with f(begin, end).
template <class F>
void parallel_ranges(Context& ctx, std::int64_t n, std::int64_t grain, std::int64_t unit,
                     const F& f) {
  parallel_threads(ctx, n, grain, unit,
                   [&](std::int64_t begin, std::int64_t end, int) { f(begin, end); });
}

/// The same for elements of one flat array: vectors are not cut.
template <class F>
void parallel_elements(Context& ctx, std::int64_t n, const F& f) {
  constexpr std::int64_t kCacheLine = 16;
  parallel_ranges(ctx, n, kGrainElements, kCacheLine, f);
}

/// The same for `n` rows of `row` elements each.
template <class F>
void parallel_rows(Context& ctx, std::int64_t n, std::int64_t row, const F& f) {
  parallel_ranges(ctx, n, kGrainElements / std::max<std::int64_t>(row, 1), 1, f);
}

/// oneDNN asks OpenMP how many threads there are. Cheap when nothing changes.
inline void use_threads_of(const Context& ctx) {
  if (omp_get_max_threads() != ctx.threads()) omp_set_num_threads(ctx.threads());
}

}  // namespace graft::kernels::cpu
