// SPDX-License-Identifier: Apache-2.0
// Selective-Backprop's choice of rows without the host: losses into a window, the percentile of
// each loss in it, a draw, and the numbers of the rows that were drawn. On Backend::kCuda only; on
// the host sampler/ chooses. Both choose the same rows: ranks are counts, probabilities come as a
// table that the host made, and a draw compares integers.
#pragma once

#include <cstdint>
#include <span>

#include "engine/device/context.h"
#include "engine/device/recording.h"
#include "engine/tensor/tensor.h"

namespace graft::kernels {

/// Uniforms have 24 bits, to_unit_float(): u < p is (word >> 8) < draw_threshold(p).
[[nodiscard]] std::uint32_t draw_threshold(double p);

/// The last `capacity` losses of which `size` are there; the next one goes to `next`.
struct LossWindow {
  Tensor losses;  ///< (capacity) f32
  std::int64_t size = 0, next = 0;
};

struct SelectOptions {
  int tie = 1;               ///< halves that an equal loss counts: 0 strict, 1 mid, 2 weak
  bool include_self = true;  ///< whether a loss is in the window that it is compared with
  std::uint64_t seed = 0;    ///< of the draws: Philox (seed, kSelect, epoch, example), first word
  std::span<const std::int64_t> example;  ///< one a row
  std::span<const std::uint32_t> epoch;   ///< one a row
};

/// Pushes loss (N) f32, N <= capacity, into the window and chooses rows: a loss above a and equal
/// to b others stands at 2a + tie * b halves, and is drawn with the probability whose
/// draw_threshold stands there in `threshold` (2 * size + 1, size as after the push) i32. Without
/// itself a loss stands among size - 1, so that the percentile at h halves is h / 2 / (size - 1),
/// and the last two entries are not looked at.
/// rows (N) i32: the numbers of the chosen rows, ascending, in the first count[0] places; the
/// others are left. count (1) i32.  Does not synchronise. Deterministic.
void select_by_percentile(Context& ctx, const SelectOptions& options, const Tensor& loss,
                          const Tensor& threshold, LossWindow& window, Tensor& rows, Tensor& count);

/// What a selection that lives on the device has counted.
struct SelectionCounts {
  std::uint32_t next = 0;    ///< place of the window that is overwritten next
  std::uint32_t queued = 0;  ///< examples that wait for a batch
  std::uint32_t chosen = 0;  ///< in the last slice
  std::uint32_t seen = 0;    ///< losses in DeviceSelection::seen
  std::uint32_t updates = 0;
  std::uint32_t refused = 0;  ///< batches without an update, since something was not finite
  std::uint32_t idle = 0;     ///< candidates since the last batch
  std::uint32_t unused = 0;
  double loss_sum = 0;  ///< of the examples trained on
};

/// A selection whose window is full, on the device: slices pass without the host. All tensors are
/// the device's.
struct DeviceSelection {
  Tensor window;       ///< (R) f32
  Tensor threshold;    ///< (2R+1) i32, as for select_by_percentile
  Tensor queue_id;     ///< (2 * batch) i64: the chosen that wait, oldest first
  Tensor queue_epoch;  ///< (2 * batch) i32, bits of a u32
  Tensor seen;         ///< f32, room for the losses of all slices until the host reads them
  Tensor counts;       ///< bytes of one SelectionCounts
};

/// As select_by_percentile, with ids id (N) i64 and epochs epoch (N) i32 on the device and
/// `example` and `epoch` of the options empty: the chosen examples go behind those that wait, and
/// `full` is set to whether there are `batch` of them. N <= batch, N <= R. May be recorded. Does
/// not synchronise.
void select_into_queue(Context& ctx, const SelectOptions& options, std::int64_t batch,
                       const Tensor& loss, const Tensor& id, const Tensor& epoch,
                       DeviceSelection& selection, const Branch& full);

/// Behind an update made of the first examples of the queue: takes them out and counts. loss
/// (batch) f32: theirs; control: the update's, see optim.h. May be recorded. Does not synchronise.
void finish_batch(Context& ctx, const Tensor& loss, const Tensor& control,
                  DeviceSelection& selection);

}  // namespace graft::kernels
