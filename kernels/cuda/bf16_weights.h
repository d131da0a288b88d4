// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <unordered_map>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "kernels/cuda/cuda.h"

namespace graft::kernels::cuda {

/// bf16 copies of f32 master weights, made anew when their version changes.
class Bf16Weights {
 public:
  explicit Bf16Weights(Context& ctx) : ctx_(ctx) {}

  /// `w` itself where x is f32; else its copy, valid until the next call for the same w.
  [[nodiscard]] Tensor like(DType x, const Tensor& w, std::uint64_t version) {
    if (x == DType::kF32 || w.empty()) return w;
    Copy& c = copies_[w.data()];
    if (c.tensor.empty() || c.tensor.shape() != w.shape()) {
      c.tensor = Tensor::allocate(ctx_.memory(), w.shape(), DType::kBF16);
      c.version = 0;
    }
    if (version == 0 || version != c.version) {
      cuda::cast(ctx_, w, c.tensor);
      c.version = version;
    }
    return c.tensor;
  }

 private:
  struct Copy {
    Tensor tensor;
    std::uint64_t version = 0;
  };
  Context& ctx_;
  std::unordered_map<const void*, Copy> copies_;
};

}  // namespace graft::kernels::cuda
