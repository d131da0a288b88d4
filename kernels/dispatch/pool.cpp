// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/pool.h"

#include "kernels/cpu/cpu.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"
#include "kernels/ref/pool.h"

namespace graft::kernels {
namespace {

constexpr int kMaxWindow = 15;  // a place in the window is one byte

constexpr Impl<decltype(max_pool_fwd)> kMaxPoolFwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::max_pool_fwd},
    {"simd", Backend::kCpu, if_f64, cpu::max_pool_fwd},
    {"ref", Backend::kRef, never, ref::max_pool_fwd},
};
constexpr Impl<decltype(max_pool_bwd)> kMaxPoolBwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::max_pool_bwd},
    {"simd", Backend::kCpu, unless_f32, cpu::max_pool_bwd},
    {"ref", Backend::kRef, never, ref::max_pool_bwd},
};
constexpr Impl<decltype(avg_pool_fwd)> kAvgPoolFwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::avg_pool_fwd},
    {"simd", Backend::kCpu, if_f64, cpu::avg_pool_fwd},
    {"ref", Backend::kRef, never, ref::avg_pool_fwd},
};
constexpr Impl<decltype(avg_pool_bwd)> kAvgPoolBwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::avg_pool_bwd},
    {"simd", Backend::kCpu, unless_f32, cpu::avg_pool_bwd},
    {"ref", Backend::kRef, never, ref::avg_pool_bwd},
};
constexpr Impl<decltype(global_avg_pool_fwd)> kGlobalAvgPoolFwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::global_avg_pool_fwd},
    {"simd", Backend::kCpu, if_f64, cpu::global_avg_pool_fwd},
    {"ref", Backend::kRef, never, ref::global_avg_pool_fwd},
};
constexpr Impl<decltype(global_avg_pool_bwd)> kGlobalAvgPoolBwd[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::global_avg_pool_bwd},
    {"simd", Backend::kCpu, unless_f32, cpu::global_avg_pool_bwd},
    {"ref", Backend::kRef, never, ref::global_avg_pool_bwd},
};

std::int64_t output_extent(const Door& door, std::int64_t in, const PoolOptions& o) {
  const std::int64_t room = in + o.pad + o.trailing_pad() - o.window;
  door.require(room >= 0, "window ", o.window, " does not fit into ", in, " + padding ", o.pad,
               " + ", o.trailing_pad());
  if (!o.ceil_mode) return room / o.stride + 1;
  const std::int64_t out = (room + o.stride - 1) / o.stride + 1;
  // The last window must start inside the input (or its leading padding).
  return (out - 1) * o.stride >= in + o.pad ? out - 1 : out;
}

Shape output_shape(const Door& door, const PoolOptions& o, const Shape& x) {
  door.require(x.rank() == 4, "x expects (N,H,W,C), got ", x);
  door.require(o.window >= 1 && o.stride >= 1, "window and stride must be >= 1, got ", o.window,
               " and ", o.stride);
  door.require(o.pad >= 0 && o.pad <= o.window / 2, "pad must be in [0, window/2], got ", o.pad,
               " for window ", o.window);
  door.require(o.trailing_pad() < o.window, "pad_end must be below the window, got ", o.pad_end,
               " for window ", o.window);
  return {x[0], output_extent(door, x[1], o), output_extent(door, x[2], o), x[3]};
}

/// Checks x and y, which stand for the gradients in the backward operators.
void check_pool(const Door& door, const PoolOptions& o, const char* x_name, const Tensor& x,
                const char* y_name, const Tensor& y) {
  const DType dtype = door.image(x_name, x);
  door.expect(y_name, y, output_shape(door, o, x.shape()), dtype);
}

void check_window(const Door& door, const PoolOptions& o) {
  door.require(o.window <= kMaxWindow, "window must be <= ", kMaxWindow, ", got ", o.window);
}

void check_global(const Context& ctx, const Door& door, const char* x_name, const Tensor& x,
                  const char* y_name, const Tensor& y) {
  const DType dtype = door.image(x_name, x);
  const bool widens = dtype == DType::kBF16 && ctx.backend() != Backend::kCuda;
  door.expect(y_name, y, {x.shape()[0], x.shape()[3]}, widens ? DType::kF32 : dtype);
  door.require(x.shape()[1] > 0 && x.shape()[2] > 0, x_name, " has no pixels: ", x.shape());
}

}  // namespace

Shape pool_output_shape(const PoolOptions& options, const Shape& x) {
  return output_shape(Door("pool"), options, x);
}

void max_pool_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y,
                  Tensor& index) {
  const Door door("max_pool_fwd");
  check_pool(door, options, "x", x, "y", y);
  check_window(door, options);
  door.expect_or_empty("index", index, y.shape(), DType::kU8);
  if (y.numel() == 0) return;
  dispatch("max_pool_fwd", kMaxPoolFwd, ctx, options, x, y, index);
}

void max_pool_bwd(Context& ctx, const PoolOptions& options, const Tensor& dy, const Tensor& index,
                  GradMode mode, Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  const Door door("max_pool_bwd");
  check_pool(door, options, "dx", dx, "dy", dy);
  check_window(door, options);
  door.expect("index", index, dy.shape(), DType::kU8);
  if (dx.numel() == 0) return;
  dispatch("max_pool_bwd", kMaxPoolBwd, ctx, options, dy, index, mode, dx);
}

void avg_pool_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y) {
  check_pool(Door("avg_pool_fwd"), options, "x", x, "y", y);
  if (y.numel() == 0) return;
  dispatch("avg_pool_fwd", kAvgPoolFwd, ctx, options, x, y);
}

void avg_pool_bwd(Context& ctx, const PoolOptions& options, const Tensor& dy, GradMode mode,
                  Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  check_pool(Door("avg_pool_bwd"), options, "dx", dx, "dy", dy);
  if (dx.numel() == 0) return;
  dispatch("avg_pool_bwd", kAvgPoolBwd, ctx, options, dy, mode, dx);
}

void global_avg_pool_fwd(Context& ctx, const Tensor& x, Tensor& y) {
  check_global(ctx, Door("global_avg_pool_fwd"), "x", x, "y", y);
  if (y.numel() == 0) return;
  dispatch("global_avg_pool_fwd", kGlobalAvgPoolFwd, ctx, x, y);
}

void global_avg_pool_bwd(Context& ctx, const Tensor& dy, GradMode mode, Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  check_global(ctx, Door("global_avg_pool_bwd"), "dx", dx, "dy", dy);
  if (dx.numel() == 0) return;
  dispatch("global_avg_pool_bwd", kGlobalAvgPoolBwd, ctx, dy, mode, dx);
}

}  // namespace graft::kernels
