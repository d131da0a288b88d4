// SPDX-License-Identifier: Apache-2.0
// Selective-Backprop's choice of rows without the host: losses into a window, the percentile of
// each loss in it, a draw, and the numbers of the rows that were drawn. On Backend::kCuda only; on
// the host sampler/ chooses. Both choose the same rows: ranks are counts, probabilities come as a
// table that the host made, and a draw compares integers.
#pragma once

#include <cstdint>
#include <span>

#include "engine/device/context.h"
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

}  // namespace graft::kernels
