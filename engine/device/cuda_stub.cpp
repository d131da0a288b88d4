// SPDX-License-Identifier: Apache-2.0
// Stands in for cuda_queue.cpp, cuda_copy_queue.cpp and cuda_recording.cpp in a build without the
// CUDA toolkit.
#include "engine/core/error.h"
#include "engine/device/copy_queue.h"
#include "engine/device/cuda_device.h"
#include "engine/device/cuda_recording.h"
#include "engine/device/device_queue.h"

namespace graft {

CudaProbe probe_cuda() {
  CudaProbe probe;
  judge_cuda(probe);
  return probe;
}

std::unique_ptr<DeviceQueue> make_cuda_queue() {
  fail(Errc::kUnsupported, "device cuda: ", probe_cuda().reason);
}

MemoryResource& cuda_memory() { fail(Errc::kUnsupported, "device cuda: ", probe_cuda().reason); }

std::unique_ptr<CopyQueue> make_cuda_copy_queue() {
  fail(Errc::kUnsupported, "device cuda: ", probe_cuda().reason);
}

MemoryResource& pinned_memory() { fail(Errc::kUnsupported, "device cuda: ", probe_cuda().reason); }

namespace detail {

std::unique_ptr<Recording> record_cuda(Context&, const std::function<void(const Branch&)>&,
                                       const std::function<void()>&) {
  fail(Errc::kUnsupported, "device cuda: ", probe_cuda().reason);
}

bool is_recording_cuda(Context&) { return false; }

}  // namespace detail

}  // namespace graft
