// SPDX-License-Identifier: Apache-2.0
// A second queue of a device that brings data while kernels run, and the memory it brings it from.
#pragma once

#include <cstddef>
#include <memory>

#include "engine/device/context.h"

namespace graft {

/// Copies from host memory that run beside the kernels of a context, in order among themselves.
class CopyQueue {
 public:
  CopyQueue() = default;
  CopyQueue(const CopyQueue&) = delete;
  CopyQueue& operator=(const CopyQueue&) = delete;
  virtual ~CopyQueue() = default;

  /// Copies from now on run behind what `ctx` has been given so far.
  virtual void follow(Context& ctx) = 0;
  /// Enqueues. `from`, in pinned_memory(), must hold until synchronize().
  virtual void copy(const void* from, void* to, std::size_t bytes) = 0;
  /// What `ctx` is given from now on runs behind the copies so far.
  virtual void precede(Context& ctx) = 0;
  /// Waits for all copies.
  virtual void synchronize() = 0;
};

/// Of the first CUDA device. Throws Error(kUnsupported) in a build without CUDA.
[[nodiscard]] std::unique_ptr<CopyQueue> make_cuda_copy_queue();

/// Host memory that the first CUDA device reads by itself: page-locked. Allocating is slow. Throws
/// as make_cuda_copy_queue().
[[nodiscard]] MemoryResource& pinned_memory();

}  // namespace graft
