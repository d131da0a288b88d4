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

namespace {

MemoryResource& memory_of(Backend backend) {
  if (backend != Backend::kCuda) return host_memory();
  require_cuda();
  return cuda_memory();
}

}  // namespace

Context::Context(Backend backend, int threads) : Context(backend, threads, memory_of(backend)) {}

Context::Context(Backend backend, int threads, MemoryResource& memory)
    : backend_(backend), threads_(threads), memory_(memory), workspace_(memory) {
  GRAFT_CHECK(threads >= 1, "context: threads must be >= 1, got ", threads);
  if (backend != Backend::kCuda) return;
  require_cuda();
  queue_ = make_cuda_queue();
}

Context::Context(CudaOnHost, MemoryResource& memory)
    : backend_(Backend::kCuda), threads_(1), memory_(memory), workspace_(memory) {
  if (probe_cuda().built) {
    fail(Errc::kUnsupported, "device cuda: this build's kernels are for the device, not the host");
  }
}

Context::~Context() {
  if (queue_ == nullptr) return;
  try {
    queue_->synchronize();  // handles and workspace must not go while kernels use them
  } catch (const Error&) {  // a broken device was reported where it broke
  }
}

void Context::synchronize() {
  if (queue_ != nullptr) queue_->synchronize();
}

void copy_from_host(Context& ctx, const void* from, Tensor& to) {
  if (to.bytes() == 0) return;
  if (ctx.queue() != nullptr) {
    ctx.queue()->copy_from_host(from, to.data(), to.bytes());
  } else {
    std::memcpy(to.data(), from, to.bytes());
  }
}

void copy_to_host(Context& ctx, const Tensor& from, void* to) {
  if (from.bytes() == 0) return;
  if (ctx.queue() != nullptr) {
    ctx.queue()->copy_to_host(from.data(), to, from.bytes());
  } else {
    std::memcpy(to, from.data(), from.bytes());
  }
}

void fill_zero(Context& ctx, Tensor& t) {
  if (t.bytes() == 0) return;
  if (ctx.queue() != nullptr) {
    ctx.queue()->fill_zero(t.data(), t.bytes());
  } else {
    std::memset(t.data(), 0, t.bytes());
  }
}

}  // namespace graft
