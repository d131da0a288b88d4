// SPDX-License-Identifier: Apache-2.0
#include "engine/device/cuda_device.h"

#include "engine/core/error.h"

namespace graft {
namespace {

constexpr int kOldestMajor =
    8;  // sm_80: the oldest code in the binary, see CMAKE_CUDA_ARCHITECTURES

std::string version(int v) { return detail::cat(v / 1000, ".", v % 1000 / 10); }

/// The runtime of a toolkit runs on any driver of the same major version or later.
bool driver_is_too_old(const CudaProbe& p) {
  return p.driver_version / 1000 < p.runtime_version / 1000;
}

}  // namespace

void judge_cuda(CudaProbe& p) {
  p.reason.clear();
  p.mend.clear();
  if (!p.built) {
    p.reason = "this build has no CUDA";
    p.mend = "install the CUDA toolkit, then cmake --preset cuda && cmake --build --preset cuda";
  } else if (p.driver_version == 0) {
    p.reason = "no NVIDIA driver (CUDA driver version 0; this build needs " +
               version(p.runtime_version / 1000 * 1000) + ")";
    p.mend = "apt-get install nvidia-driver";
  } else if (driver_is_too_old(p)) {
    p.reason = "the NVIDIA driver supports CUDA " + version(p.driver_version) +
               ", this build needs " + version(p.runtime_version / 1000 * 1000);
    p.mend = detail::cat("apt-get install --only-upgrade nvidia-driver, or build with CUDA ",
                         p.driver_version / 1000, ".x");
  } else if (p.devices.empty()) {
    p.reason = "no CUDA device found by driver " + version(p.driver_version);
    p.mend = "nvidia-smi -L must list a GPU; check CUDA_VISIBLE_DEVICES";
  } else if (p.devices.front().major < kOldestMajor) {
    const CudaDevice& d = p.devices.front();
    p.reason = detail::cat(d.name, " has compute capability ", d.major, ".", d.minor,
                           ", the kernels need ", kOldestMajor, ".0");
    p.mend = "CUDA_VISIBLE_DEVICES=<index of a newer GPU>";
  }
}

void require_cuda() {
  const CudaProbe probe = probe_cuda();
  if (probe.reason.empty()) return;
  fail(Errc::kUnavailable, "device cuda: ", probe.reason, "; to mend: ", probe.mend,
       "; or use --device cpu");
}

}  // namespace graft
