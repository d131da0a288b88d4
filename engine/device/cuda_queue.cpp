// SPDX-License-Identifier: Apache-2.0
// The CUDA runtime behind cuda_device.h and device_queue.h. cudart is linked statically and loads
// the driver on first use, so a binary with CUDA starts where there is none.
#include <atomic>
#include <cstdint>
#include <limits>

#include "engine/device/cuda_device.h"
#include "engine/device/cuda_runtime.h"
#include "engine/device/device_queue.h"
#include "engine/device/handle.h"

namespace graft {
namespace detail {

void cuda_failed(cudaError_t status, const char* call, const char* file, int line) {
  const auto code = status == cudaErrorMemoryAllocation ? Errc::kOutOfMemory : Errc::kUnavailable;
  throw Error(code, cat("CUDA: ", call, " at ", file, ":", line, ": ", cudaGetErrorName(status),
                        ": ", cudaGetErrorString(status)));
}

namespace {
std::atomic<std::uint64_t> frees = 0;
}  // namespace

std::uint64_t frees_of_cuda_memory() { return frees; }

}  // namespace detail

namespace {

void destroy_stream(cudaStream_t s) { GRAFT_CUDA_NOTHROW(cudaStreamDestroy(s)); }
using Stream = Handle<cudaStream_t, destroy_stream>;

Stream make_stream() {
  cudaStream_t s = nullptr;
  GRAFT_CUDA(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  return Stream(s);
}

class CudaQueue final : public DeviceQueue {
 public:
  void synchronize() override {
    const cudaError_t status = cudaStreamSynchronize(stream_.get());
    if (status == cudaSuccess) return;
    fail(Errc::kUnavailable, "CUDA: a kernel failed: ", cudaGetErrorName(status), ": ",
         cudaGetErrorString(status),
         "; the device works behind the host: with GRAFT_SYNC=1 in the "
         "environment the same run names the layer");
  }
  void copy_from_host(const void* from, void* to, std::size_t bytes) override {
    // From pageable memory the driver stages the bytes before it returns.
    GRAFT_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_.get()));
  }
  void copy_to_host(const void* from, void* to, std::size_t bytes) override {
    GRAFT_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_.get()));
    synchronize();
  }
  void copy(const void* from, void* to, std::size_t bytes) override {
    GRAFT_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_.get()));
  }
  void fill_zero(void* to, std::size_t bytes) override {
    GRAFT_CUDA(cudaMemsetAsync(to, 0, bytes, stream_.get()));
  }
  void* stream() override { return stream_.get(); }

 private:
  Stream stream_ = make_stream();
};

class CudaMemory final : public MemoryResource {
 public:
  CudaMemory() {
    cudaMemPool_t pool = nullptr;
    GRAFT_CUDA(cudaDeviceGetDefaultMemPool(&pool, 0));
    std::uint64_t keep = std::numeric_limits<std::uint64_t>::max();
    GRAFT_CUDA(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
  }
  void* allocate(std::size_t bytes) override {
    void* data = nullptr;
    if (cudaMallocAsync(&data, bytes == 0 ? 1 : bytes, stream_.get()) != cudaSuccess) {
      (void)cudaGetLastError();  // not sticky: the context goes on
      std::size_t free = 0, total = 0;
      (void)cudaMemGetInfo(&free, &total);
      fail(Errc::kOutOfMemory, "device memory: cannot allocate ", bytes, " bytes (", bytes >> 20,
           " MiB); ", free >> 20, " of ", total >> 20,
           " MiB are free; use a smaller batch or model");
    }
    GRAFT_CUDA(cudaStreamSynchronize(stream_.get()));  // usable on every stream from here on
    return data;
  }
  void deallocate(void* data, std::size_t) noexcept override {
    GRAFT_CUDA_NOTHROW(cudaDeviceSynchronize());
    GRAFT_CUDA_NOTHROW(cudaFreeAsync(data, stream_.get()));
    ++detail::frees;
  }

 private:
  Stream stream_ = make_stream();
};

}  // namespace

CudaProbe probe_cuda() {
  CudaProbe probe;
  probe.built = true;
  (void)cudaRuntimeGetVersion(&probe.runtime_version);
  (void)cudaDriverGetVersion(&probe.driver_version);
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) count = 0;
  (void)cudaGetLastError();
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp p{};
    if (cudaGetDeviceProperties(&p, i) != cudaSuccess) continue;
    probe.devices.push_back({p.name, p.major, p.minor, p.totalGlobalMem});
  }
  judge_cuda(probe);
  return probe;
}

std::unique_ptr<DeviceQueue> make_cuda_queue() { return std::make_unique<CudaQueue>(); }

MemoryResource& cuda_memory() {
  // Never destroyed: blocks may outlive every static object, the driver frees what is left.
  static auto* const instance = new CudaMemory;
  return *instance;
}

}  // namespace graft
