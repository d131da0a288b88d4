// SPDX-License-Identifier: Apache-2.0
// Weights in the order in which a kernel of ours reads them, kept per context and kernel.
#pragma once

#include "engine/tensor/tensor.h"
#include "kernels/cpu/kept_buffer.h"
#include "kernels/plan_cache.h"

namespace graft::kernels::cpu {

/// `Kernel`: a tag, so that each kernel has its own in a context's state.
template <class Kernel>
class KeptWeights {
 public:
  explicit KeptWeights(Context&) : kept_(kMaxTensors) {}

  /// `floats` floats that make(to) makes of `w`, kept from an earlier call if `version`, not 0, is
  /// the same. `variant` tells apart what one kernel makes of the same weights.
  template <class Make>
  [[nodiscard]] const float* get(Context& ctx, const Tensor& w, std::int64_t variant,
                                 std::int64_t floats, std::uint64_t version, const Make& make) {
    const auto address = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(w.data()));
    Kept& kept = kept_.get({address, w.shape()[0], floats, variant}, [&] {
      return Kept{KeptBuffer(ctx, floats * static_cast<std::int64_t>(sizeof(float)))};
    });
    auto* to = static_cast<float*>(kept.buffer.data());
    if (kept.version != version) {
      make(to);
      kept.version = version;
    }
    return to;
  }

 private:
  static constexpr std::size_t kMaxTensors = 512;
  struct Kept {
    KeptBuffer buffer;
    std::uint64_t version = 0;
  };
  PlanCache<4, Kept> kept_;
};

}  // namespace graft::kernels::cpu
