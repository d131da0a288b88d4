// SPDX-License-Identifier: Apache-2.0
#include "engine/device/context.h"

#include <cstring>

#include "engine/core/error.h"
#include "engine/device/cuda_device.h"

namespace graft {

const char* name(Backend backend) {
  switch (backend) {
    case Backend::kRef:
      return "ref";
    case Backend::kCpu:
      return "cpu";
    case Backend::kCuda:
      return "cuda";
  }
  return "?";
}

void* Workspace::get(std::size_t bytes) {
  if (bytes > buffer_.bytes()) {
    buffer_ = Buffer();  // free first: the peak is the new size, not both
    buffer_ = Buffer(memory_, bytes);
  }
  return buffer_.data();
}

Context::Context(Backend backend, int threads, MemoryResource& memory)
    : backend_(backend), threads_(threads), memory_(memory), workspace_(memory) {
  GRAFT_CHECK(threads >= 1, "context: threads must be >= 1, got ", threads);
  if (backend == Backend::kCuda) {
    fail(Errc::kUnavailable, "device cuda: ", probe_cuda().reason,
         "; run `graft doctor` for what is missing, or use --device cpu");
  }
}

Context::~Context() = default;

void Context::synchronize() {}

void copy_from_host(Context&, const void* from, Tensor& to) {
  std::memcpy(to.data(), from, to.bytes());
}

void copy_to_host(Context&, const Tensor& from, void* to) {
  std::memcpy(to, from.data(), from.bytes());
}

void fill_zero(Context&, Tensor& t) { std::memset(t.data(), 0, t.bytes()); }

}  // namespace graft
