// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"

namespace graft {

/// What activations were computed from.
struct ForwardStamp {
  std::uint64_t param_version = 0;  ///< ParamStore::version() at the forward
  std::uint64_t run = 0;            ///< Executor::run() of the forward

  /// Throws Error(kInternal) naming `what` unless `now` is the same: mixing parameter versions
  /// would be neither gradient (spec 4.2), and a later forward wrote over the activations.
  void require(const ForwardStamp& now, std::string_view what) const;
};

/// A value that a `Keep` node held back, stamped with what it was computed from.
struct SavedSet {
  Tensor value;  ///< (N, ...), in the executor's arena
  ForwardStamp stamp;

  /// Copies rows `row` (ascending, unique, in [0, N)) into the first rows of `out`. Does not
  /// synchronise. Throws Error(kInternal) if the parameters moved or another forward ran since.
  void gather(Context& ctx, const ForwardStamp& now, std::span<const std::int32_t> row,
              Tensor& out) const;
};

}  // namespace graft
