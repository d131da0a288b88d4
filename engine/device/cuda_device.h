// SPDX-License-Identifier: Apache-2.0
// What CUDA this machine and this build have; used by `graft doctor` and by error messages.
#pragma once

#include <string>
#include <vector>

namespace graft {

struct CudaDevice {
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  std::size_t memory_bytes = 0;
};

struct CudaProbe {
  bool built = false;       ///< this build was linked against the CUDA runtime
  int runtime_version = 0;  ///< 1000 * major + 10 * minor; 0 if not built
  int driver_version = 0;   ///< highest CUDA the driver supports; 0 if there is no driver
  std::vector<CudaDevice> devices;
  std::string reason;  ///< why no kernel can run on CUDA here; empty: they can
  std::string mend;    ///< the one command or step that helps; empty: none is needed
};

/// Asks the CUDA runtime, if there is one. Never throws.
[[nodiscard]] CudaProbe probe_cuda();

/// What keeps kernels from running on what was found, and its mend, both put into `probe`: a
/// missing or old driver, no device, a device older than kernels were compiled for.
void judge_cuda(CudaProbe& probe);

/// Throws Error(kUnavailable) that says what is missing unless CUDA kernels can run here.
void require_cuda();

}  // namespace graft
