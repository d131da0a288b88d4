// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <memory>
#include <string_view>

#include "engine/device/context.h"
#include "engine/device/cuda_device.h"
#include "engine/device/memory.h"

namespace graft::testing {

/// What tests of Backend::kCuda run on: the device under GRAFT_TEST_DEVICE=cuda (the tests labelled
/// gpu), else its kernels on the host; null where there is neither, to skip.
inline std::unique_ptr<Context> cuda_context() {
  const char* device = std::getenv("GRAFT_TEST_DEVICE");
  const CudaProbe cuda = probe_cuda();
  if (device != nullptr && std::string_view(device) == "cuda") {
    return cuda.reason.empty() ? std::make_unique<Context>(Backend::kCuda) : nullptr;
  }
  return cuda.built ? nullptr : std::make_unique<Context>(CudaOnHost{}, host_memory());
}

}  // namespace graft::testing

/// Skips the test unless `ctx` is a context.
#define GRAFT_SKIP_WITHOUT(ctx) \
  if ((ctx) == nullptr) GTEST_SKIP() << "needs a CUDA device, or a build without CUDA"
