// SPDX-License-Identifier: Apache-2.0
// Conventions of every contract in this folder.
//
// Tensors are dense row-major; images are (N, H, W, C); "empty" tensors stand for "not given".
// Floating tensors of one call share one dtype, f32 or f64 (f64 on the reference only), unless
// said. On Backend::kCuda activations and their gradients may be bf16; parameters, their gradients,
// statistics, losses and example weights are f32 then, as is every sum. Inputs and outputs must not
// overlap unless said. Calls enqueue on the context and do not synchronise. Shapes and dtypes are
// checked at the door (Error(kInvalidArgument), the message starts with the operator); kernels
// behind it assume them. A context of Backend::kCpu uses oneDNN or own vector kernels and falls
// back to the reference; GRAFT_IMPL=op:impl forces one.
#pragma once

#include <cstdint>

#include "engine/tensor/dtype.h"

namespace graft::kernels {

/// DType of parameters, statistics and losses beside activations of `t`: bf16 keeps them in f32.
[[nodiscard]] constexpr DType param_dtype(DType t) { return t == DType::kBF16 ? DType::kF32 : t; }

/// What happens to a gradient tensor.
enum class GradMode : std::uint8_t {
  kSkip,        ///< not wanted: the tensor may be empty
  kOverwrite,   ///< dx = g
  kAccumulate,  ///< dx += g
};

/// Element-wise non-linearity that can be fused behind another operator.
enum class Activation : std::uint8_t { kNone, kRelu, kRelu6 };

/// Which statistics a normalisation used, and so how they depend on the rows that its backward
/// sees.
enum class NormStats : std::uint8_t {
  kBatch,    ///< of these rows
  kRunning,  ///< constants
  kSubset,   ///< of a larger batch that these rows were taken from
};

}  // namespace graft::kernels
