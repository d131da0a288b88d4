// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"

namespace graft {

/// A value that a `Keep` node held back, stamped with what it was computed from.
struct SavedSet {
  Tensor value;                     ///< (N, ...), in the executor's arena
  std::uint64_t param_version = 0;  ///< ParamStore::version() at the forward
  std::uint64_t run = 0;            ///< Executor::run() of the forward

  /// Copies rows `row` (ascending, unique, in [0, N)) into the first rows of `out`. Does not
  /// synchronise. Throws Error(kInternal) if the parameters moved or another forward ran since:
  /// mixing versions would be neither gradient (spec 4.2).
  void gather(Context& ctx, std::uint64_t version_now, std::uint64_t run_now,
              std::span<const std::int32_t> row, Tensor& out) const;
};

}  // namespace graft
