// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "engine/device/context.h"
#include "engine/tensor/dtype.h"

namespace graft::kernels {

/// What the CPU backend is made of on this machine.
struct CpuBackendInfo {
  std::string library;      ///< e.g. "oneDNN 2.6.3"
  std::string library_isa;  ///< instruction set the library uses, e.g. "avx512_core_bf16"
  std::string own_isa;      ///< set that the own vector kernels were picked for, e.g. "x86-64-v4"
};

[[nodiscard]] CpuBackendInfo cpu_backend_info();

/// Versions of the CUDA libraries in this build, as they load here; 0: not in this build.
struct CudaBackendInfo {
  int cudnn = 0;     ///< 10000 * major + 100 * minor + patch
  int cublaslt = 0;  ///< the same
};

[[nodiscard]] CudaBackendInfo cuda_backend_info();

/// Null if inference in `dtype` (kF32, kBF16 or kI8) is as fast here as that dtype can be, else
/// what is missing.
[[nodiscard]] const char* why_not_fast(DType dtype);

/// Bytes of the context's memory that its kernels on the host keep from call to call: weights in
/// their own order, and the workspace.
[[nodiscard]] std::size_t kept_bytes(Context& ctx);

}  // namespace graft::kernels
