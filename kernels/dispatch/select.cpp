// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/select.h"

#include <algorithm>
#include <cmath>

#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"

namespace graft::kernels {
namespace {

constexpr double kUniforms = 0x1.0p24;

constexpr Impl<decltype(select_by_percentile)> kSelectByPercentile[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::select_by_percentile},
};

}  // namespace

std::uint32_t draw_threshold(double p) {
  return static_cast<std::uint32_t>(std::ceil(std::clamp(p, 0.0, 1.0) * kUniforms));
}

void select_by_percentile(Context& ctx, const SelectOptions& options, const Tensor& loss,
                          const Tensor& threshold, LossWindow& window, Tensor& rows,
                          Tensor& count) {
  const Door door("select_by_percentile");
  const std::int64_t n = loss.numel(), capacity = window.losses.numel();
  door.require(options.tie >= 0 && options.tie <= 2, "tie must be 0, 1 or 2, got ", options.tie);
  door.expect("loss", loss, {n}, DType::kF32);
  door.expect("window.losses", window.losses, {capacity}, DType::kF32);
  door.require(n <= capacity, n, " losses do not fit a window of ", capacity);
  door.require(
      window.size >= 0 && window.size <= capacity && window.next >= 0 && window.next < capacity,
      "window of ", capacity, " has size ", window.size, ", next ", window.next);
  door.expect("threshold", threshold, {2 * std::min(window.size + n, capacity) + 1}, DType::kI32);
  door.expect("rows", rows, {n}, DType::kI32);
  door.expect("count", count, {1}, DType::kI32);
  door.require(std::ssize(options.example) == n && std::ssize(options.epoch) == n, "expects ", n,
               " examples and epochs, got ", options.example.size(), " and ", options.epoch.size());
  if (n == 0) return fill_zero(ctx, count);
  dispatch("select_by_percentile", kSelectByPercentile, ctx, options, loss, threshold, window, rows,
           count);
}

}  // namespace graft::kernels
