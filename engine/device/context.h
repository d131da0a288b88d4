// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <typeindex>
#include <unordered_map>

#include "engine/device/device_queue.h"
#include "engine/device/memory.h"
#include "engine/tensor/tensor.h"

namespace graft {

/// Which family of kernels a context prefers.
enum class Backend : unsigned char {
  kRef,   ///< plain loops on the host, f32 and f64: the oracle
  kCpu,   ///< oneDNN and own vector kernels on the host; falls back to kRef
  kCuda,  ///< one NVIDIA GPU
};

[[nodiscard]] const char* name(Backend backend);

/// Scratch memory of one context: grows in warm-up, never shrinks.
class Workspace {
 public:
  explicit Workspace(MemoryResource& memory) : memory_(memory) {}
  /// At least `bytes` bytes, valid until the next call; contents are undefined.
  [[nodiscard]] void* get(std::size_t bytes);
  [[nodiscard]] std::size_t bytes() const { return buffer_.bytes(); }

 private:
  MemoryResource& memory_;
  Buffer buffer_;
};

/// How the vendor libraries of a device choose among their kernels.
struct VendorChoice {
  bool deterministic = false;  ///< only kernels whose results repeat bit for bit
  bool autotune = false;  ///< measure the candidates on first use instead of asking a heuristic
};

/// Asks for the kernels of Backend::kCuda compiled as plain loops for the host: tests run them so,
/// where the build has no CUDA.
struct CudaOnHost {};

/// Device, thread budget, memory, workspace and backend state; a parameter of every kernel.
/// One thread per Context at a time; kernels of one context run in order.
class Context {
 public:
  /// On the memory of the backend's device. `threads`: compute threads of this context, >= 1.
  /// Throws Error(kUnavailable) for kCuda where the CUDA backend is not built or no device answers.
  explicit Context(Backend backend, int threads = 1);
  /// `memory` must be of the backend's device, e.g. a decorator of its resource.
  Context(Backend backend, int threads, MemoryResource& memory);
  /// Throws Error(kUnsupported) in a build with CUDA: its kernels are compiled for the device.
  Context(CudaOnHost, MemoryResource& memory);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  [[nodiscard]] Backend backend() const { return backend_; }
  [[nodiscard]] int threads() const { return threads_; }
  [[nodiscard]] MemoryResource& memory() { return memory_; }
  [[nodiscard]] Workspace& workspace() { return workspace_; }

  [[nodiscard]] const VendorChoice& vendor_choice() const { return vendor_choice_; }
  /// Before the first kernel: choices that were made stay.
  void set_vendor_choice(const VendorChoice& choice) { vendor_choice_ = choice; }

  /// Waits until everything enqueued has run. Host backends run eagerly: nothing to wait for.
  void synchronize();
  /// Where kCuda enqueues; nullptr where kernels run eagerly on the host.
  [[nodiscard]] DeviceQueue* queue() { return queue_.get(); }

  /// State of type T that a backend keeps per context (plan caches, vendor handles); made on first
  /// use with T(Context&), destroyed with the context.
  template <class T>
  [[nodiscard]] T& state() {
    auto& slot = states_[std::type_index(typeid(T))];
    if (!slot) slot = std::make_shared<T>(*this);
    return *static_cast<T*>(slot.get());
  }

 private:
  Backend backend_;
  int threads_;
  MemoryResource& memory_;
  VendorChoice vendor_choice_;
  std::unique_ptr<DeviceQueue> queue_;
  Workspace workspace_;
  std::unordered_map<std::type_index, std::shared_ptr<void>> states_;
};

/// Copies host bytes into `to` (as many as `to` has); returns when `from` may be reused.
void copy_from_host(Context& ctx, const void* from, Tensor& to);
/// Copies `from` into host memory; synchronises.
void copy_to_host(Context& ctx, const Tensor& from, void* to);
/// Sets every byte of `t` to zero.
void fill_zero(Context& ctx, Tensor& t);

}  // namespace graft
