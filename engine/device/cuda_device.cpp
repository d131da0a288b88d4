// SPDX-License-Identifier: Apache-2.0
#include "engine/device/cuda_device.h"

#include <cuda_runtime_api.h>

namespace graft {

CudaProbe probe_cuda() {
  CudaProbe probe;
  probe.built = true;
  (void)cudaRuntimeGetVersion(&probe.runtime_version);
  (void)cudaDriverGetVersion(&probe.driver_version);
  int count = 0;
  if (const auto status = cudaGetDeviceCount(&count); status != cudaSuccess) {
    probe.reason = std::string("no CUDA device answers (") + cudaGetErrorString(status) + ")";
    return probe;
  }
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp p{};
    if (cudaGetDeviceProperties(&p, i) != cudaSuccess) continue;
    probe.devices.push_back({p.name, p.major, p.minor, p.totalGlobalMem});
  }
  probe.reason = probe.devices.empty() ? "no CUDA device found"
                                       : "the CUDA kernels are not part of this build yet";
  return probe;
}

}  // namespace graft
