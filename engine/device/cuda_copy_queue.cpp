// SPDX-License-Identifier: Apache-2.0
#include "engine/device/copy_queue.h"
#include "engine/device/cuda_runtime.h"
#include "engine/device/handle.h"

namespace graft {
namespace {

void destroy_stream(cudaStream_t s) { GRAFT_CUDA_NOTHROW(cudaStreamDestroy(s)); }
void destroy_event(cudaEvent_t e) { GRAFT_CUDA_NOTHROW(cudaEventDestroy(e)); }

class CudaCopyQueue final : public CopyQueue {
 public:
  CudaCopyQueue() {
    cudaStream_t stream = nullptr;
    GRAFT_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    stream_ = Handle<cudaStream_t, destroy_stream>(stream);
    cudaEvent_t event = nullptr;
    GRAFT_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    event_ = Handle<cudaEvent_t, destroy_event>(event);
  }
  ~CudaCopyQueue() override { GRAFT_CUDA_NOTHROW(cudaStreamSynchronize(stream_.get())); }

  void follow(Context& ctx) override { order(stream_of(ctx), stream_.get()); }
  void copy(const void* from, void* to, std::size_t bytes) override {
    GRAFT_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_.get()));
  }
  void precede(Context& ctx) override { order(stream_.get(), stream_of(ctx)); }
  void synchronize() override { GRAFT_CUDA(cudaStreamSynchronize(stream_.get())); }

 private:
  /// A wait keeps the state that the event has when it is enqueued: one event serves all.
  void order(cudaStream_t first, cudaStream_t second) {
    GRAFT_CUDA(cudaEventRecord(event_.get(), first));
    GRAFT_CUDA(cudaStreamWaitEvent(second, event_.get(), 0));
  }

  Handle<cudaStream_t, destroy_stream> stream_;
  Handle<cudaEvent_t, destroy_event> event_;
};

class PinnedMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes) override {
    void* data = nullptr;
    if (cudaHostAlloc(&data, bytes == 0 ? 1 : bytes, cudaHostAllocDefault) == cudaSuccess) {
      return data;
    }
    (void)cudaGetLastError();  // not sticky
    fail(Errc::kOutOfMemory, "page-locked host memory: cannot allocate ", bytes, " bytes (",
         bytes >> 20, " MiB); use a smaller --loader-mib");
  }
  void deallocate(void* data, std::size_t) noexcept override {
    GRAFT_CUDA_NOTHROW(cudaFreeHost(data));
  }
};

}  // namespace

std::unique_ptr<CopyQueue> make_cuda_copy_queue() { return std::make_unique<CudaCopyQueue>(); }

MemoryResource& pinned_memory() {
  // Never destroyed, as cuda_memory().
  static auto* const instance = new PinnedMemory;
  return *instance;
}

}  // namespace graft
