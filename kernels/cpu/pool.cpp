// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/float_types.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/pool_geometry.h"

namespace graft::kernels::cpu {
namespace {

/// Windows overlap within an example, so examples are what threads share.
template <class F>
void for_examples(Context& ctx, GradMode mode, Tensor& dx, const F& add) {
  const std::int64_t row = dx.shape().row_numel();
  auto* out = dx.ptr<float>();
  parallel_rows(ctx, dx.shape()[0], row, [&](std::int64_t begin, std::int64_t end) {
    if (mode == GradMode::kOverwrite) {
      std::memset(out + begin * row, 0,
                  static_cast<std::size_t>((end - begin) * row) * sizeof(float));
    }
    add(begin, end);
  });
}

}  // namespace

void max_pool_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y,
                  Tensor& index) {
  const auto g = pool_geometry(options, x.shape(), y.shape());
  with_loops(x, simd::pool(), [&]<class T>(const simd::PoolForwardLoops<T>& loops) {
    parallel_rows(ctx, y.shape()[0] * g.p, g.q * g.c, [&](std::int64_t begin, std::int64_t end) {
      loops.max(g, elements<T>(x), elements<T>(y), index.ptr<std::uint8_t>(), begin, end);
    });
  });
}

void max_pool_bwd(Context& ctx, const PoolOptions& options, const Tensor& dy, const Tensor& index,
                  GradMode mode, Tensor& dx) {
  const auto g = pool_geometry(options, dx.shape(), dy.shape());
  for_examples(ctx, mode, dx, [&](std::int64_t begin, std::int64_t end) {
    simd::pool().max_bwd(g, dy.ptr<const float>(), index.ptr<const std::uint8_t>(), dx.ptr<float>(),
                         begin, end);
  });
}

void avg_pool_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y) {
  const auto g = pool_geometry(options, x.shape(), y.shape());
  with_loops(x, simd::pool(), [&]<class T>(const simd::PoolForwardLoops<T>& loops) {
    parallel_rows(ctx, y.shape()[0] * g.p, g.q * g.c, [&](std::int64_t begin, std::int64_t end) {
      loops.avg(g, elements<T>(x), elements<T>(y), begin, end);
    });
  });
}

void avg_pool_bwd(Context& ctx, const PoolOptions& options, const Tensor& dy, GradMode mode,
                  Tensor& dx) {
  const auto g = pool_geometry(options, dx.shape(), dy.shape());
  for_examples(ctx, mode, dx, [&](std::int64_t begin, std::int64_t end) {
    simd::pool().avg_bwd(g, dy.ptr<const float>(), dx.ptr<float>(), begin, end);
  });
}

void global_avg_pool_fwd(Context& ctx, const Tensor& x, Tensor& y) {
  const std::int64_t hw = x.shape()[1] * x.shape()[2], c = x.shape()[3];
  with_loops(x, simd::pool(), [&]<class T>(const simd::PoolForwardLoops<T>& loops) {
    parallel_rows(ctx, x.shape()[0], hw * c, [&](std::int64_t begin, std::int64_t end) {
      loops.global(elements<T>(x), hw, c, y.ptr<float>(), begin, end);
    });
  });
}

void global_avg_pool_bwd(Context& ctx, const Tensor& dy, GradMode mode, Tensor& dx) {
  const std::int64_t hw = dx.shape()[1] * dx.shape()[2], c = dx.shape()[3];
  const auto* g = dy.ptr<const float>();
  auto* out = dx.ptr<float>();
  parallel_rows(ctx, dx.shape()[0], hw * c, [&](std::int64_t begin, std::int64_t end) {
    simd::pool().global_bwd(g, hw, c, mode == GradMode::kAccumulate, out, begin, end);
  });
}

}  // namespace graft::kernels::cpu
