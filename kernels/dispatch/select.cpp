// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/select.h"

#include <algorithm>
#include <cmath>

#include "kernels/api/optim.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"

namespace graft::kernels {
namespace {

constexpr double kUniforms = 0x1.0p24;

constexpr Impl<decltype(select_by_percentile)> kSelectByPercentile[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::select_by_percentile},
};
constexpr Impl<decltype(select_into_queue)> kSelectIntoQueue[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::select_into_queue},
};
constexpr Impl<decltype(finish_batch)> kFinishBatch[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::finish_batch},
};

void check_queue(const Door& door, const DeviceSelection& s, std::int64_t batch) {
  door.expect("queue_id", s.queue_id, {2 * batch}, DType::kI64);
  door.expect("queue_epoch", s.queue_epoch, {2 * batch}, DType::kI32);
  door.expect("counts", s.counts, {sizeof(SelectionCounts)}, DType::kU8);
}

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

void select_into_queue(Context& ctx, const SelectOptions& options, std::int64_t batch,
                       const Tensor& loss, const Tensor& id, const Tensor& epoch,
                       DeviceSelection& selection, const Branch& full) {
  const Door door("select_into_queue");
  const std::int64_t n = loss.numel(), capacity = selection.window.numel();
  door.require(options.tie >= 0 && options.tie <= 2, "tie must be 0, 1 or 2, got ", options.tie);
  door.require(n >= 1 && n <= capacity && n <= batch, n, " losses, a window of ", capacity,
               ", a batch of ", batch);
  door.expect("loss", loss, {n}, DType::kF32);
  door.expect("id", id, {n}, DType::kI64);
  door.expect("epoch", epoch, {n}, DType::kI32);
  door.expect("window", selection.window, {capacity}, DType::kF32);
  door.expect("threshold", selection.threshold, {2 * capacity + 1}, DType::kI32);
  door.expect("seen", selection.seen, {selection.seen.numel()}, DType::kF32);
  check_queue(door, selection, batch);
  dispatch("select_into_queue", kSelectIntoQueue, ctx, options, batch, loss, id, epoch, selection,
           full);
}

void finish_batch(Context& ctx, const Tensor& loss, const Tensor& control,
                  DeviceSelection& selection) {
  const Door door("finish_batch");
  const std::int64_t batch = loss.numel();
  door.require(batch >= 1, "expects losses");
  door.expect("loss", loss, {batch}, DType::kF32);
  door.expect("control", control, {sizeof(UpdateControl)}, DType::kU8);
  check_queue(door, selection, batch);
  dispatch("finish_batch", kFinishBatch, ctx, loss, control, selection);
}

}  // namespace graft::kernels
