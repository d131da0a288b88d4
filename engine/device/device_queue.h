// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

#include "engine/device/memory.h"

namespace graft {

/// The stream of one context: what is enqueued runs in order, behind the host's back.
class DeviceQueue {
 public:
  DeviceQueue() = default;
  DeviceQueue(const DeviceQueue&) = delete;
  DeviceQueue& operator=(const DeviceQueue&) = delete;
  virtual ~DeviceQueue() = default;

  /// Waits for everything enqueued; throws the error of a kernel that failed.
  virtual void synchronize() = 0;
  /// Enqueues; `from` may be reused on return.
  virtual void copy_from_host(const void* from, void* to, std::size_t bytes) = 0;
  /// Synchronises.
  virtual void copy_to_host(const void* from, void* to, std::size_t bytes) = 0;
  virtual void copy(const void* from, void* to, std::size_t bytes) = 0;
  virtual void fill_zero(void* to, std::size_t bytes) = 0;
  /// The vendor's stream (cudaStream_t).
  [[nodiscard]] virtual void* stream() = 0;
};

/// A queue of its own on the first CUDA device.
[[nodiscard]] std::unique_ptr<DeviceQueue> make_cuda_queue();

/// Memory of the first CUDA device, out of a stream-ordered pool that keeps what it once had.
/// Allocates in microseconds after warm-up; freeing waits for the device, so a block may go while
/// kernels that use it are enqueued.
[[nodiscard]] MemoryResource& cuda_memory();

}  // namespace graft
