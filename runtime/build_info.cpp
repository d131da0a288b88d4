// SPDX-License-Identifier: Apache-2.0
#include "runtime/build_info.h"

#include "engine/device/cuda_device.h"
#include "kernels/api/backend_info.h"
#include "runtime/train/checkpoint.h"

namespace graft {

Json build_info() {
  const auto cpu = kernels::cpu_backend_info();
  const CudaProbe cuda = probe_cuda();
  return {{"version", GRAFT_VERSION},
          {"compiler", "g++ " __VERSION__},
          {"cpu_library", cpu.library},
          {"cuda", cuda.built ? Json(cuda.runtime_version) : Json("not built")},
          {"checkpoint_format", train::kCheckpointFormat}};
}

}  // namespace graft
