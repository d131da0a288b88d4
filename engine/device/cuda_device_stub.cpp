// SPDX-License-Identifier: Apache-2.0
// Stands in for cuda_device.cpp in a build without the CUDA toolkit.
#include "engine/device/cuda_device.h"

namespace graft {

CudaProbe probe_cuda() {
  CudaProbe probe;
  probe.reason = "this build has no CUDA (configure with -DGRAFT_CUDA=ON)";
  return probe;
}

}  // namespace graft
