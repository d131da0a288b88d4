// SPDX-License-Identifier: Apache-2.0
// Calls of the CUDA runtime with their errors. Only for engine/device and kernels/cuda, in a build
// with CUDA.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "engine/core/error.h"
#include "engine/device/context.h"

namespace graft::detail {

/// Throws Error: kOutOfMemory for an allocation, else kUnavailable, "call: name: text".
[[noreturn]] void cuda_failed(cudaError_t status, const char* call, const char* file, int line);

/// Blocks that cuda_memory() has taken back so far.
[[nodiscard]] std::uint64_t frees_of_cuda_memory();

}  // namespace graft::detail

/// A call of the CUDA runtime; throws Error unless it succeeds.
#define GRAFT_CUDA(call)                                                      \
  do {                                                                        \
    if (const cudaError_t graft_status = (call); graft_status != cudaSuccess) \
      ::graft::detail::cuda_failed(graft_status, #call, __FILE__, __LINE__);  \
  } while (false)

/// For destructors: ignores the status, e.g. of a runtime that is unloading.
#define GRAFT_CUDA_NOTHROW(call) static_cast<void>(call)

namespace graft {

/// Where a context of kCuda enqueues.
[[nodiscard]] inline cudaStream_t stream_of(Context& ctx) {
  return static_cast<cudaStream_t>(ctx.queue()->stream());
}

}  // namespace graft
