// SPDX-License-Identifier: Apache-2.0
// cuDNN 9's graph interface (the C backend interface) under C++ ownership, and convolutions in it.
// Everything up to a finished plan needs the properties of a device, not the device.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include <cudnn_graph.h>

#include "engine/core/error.h"
#include "engine/device/handle.h"
#include "engine/tensor/dtype.h"
#include "kernels/api/conv.h"

namespace graft::kernels::cuda {

namespace detail {

/// Throws Error(kOutOfMemory) for an allocation, else Error(kUnavailable), "call: name: text".
[[noreturn]] void cudnn_failed(cudnnStatus_t status, const char* call, const char* file, int line);
inline void destroy_descriptor(cudnnBackendDescriptor_t d) noexcept {
  static_cast<void>(cudnnBackendDestroyDescriptor(d));
}

}  // namespace detail

/// A call of cuDNN; throws Error unless it succeeds.
#define GRAFT_CUDNN(call)                                                                    \
  do {                                                                                       \
    if (const cudnnStatus_t graft_status = (call); graft_status != CUDNN_STATUS_SUCCESS)     \
      ::graft::kernels::cuda::detail::cudnn_failed(graft_status, #call, __FILE__, __LINE__); \
  } while (false)

/// A descriptor of the backend interface: attributes are set, then finish() makes it usable.
class CudnnDescriptor {
 public:
  CudnnDescriptor() = default;
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type);

  [[nodiscard]] cudnnBackendDescriptor_t get() const { return handle_.get(); }
  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
           std::initializer_list<T> values) {
    set(name, type, static_cast<std::int64_t>(values.size()), values.begin());
  }
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
           const void* values);
  void set(cudnnBackendAttributeName_t name, const CudnnDescriptor& part) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, {part.get()});
  }
  void finish();
  /// finish() that tells whether cuDNN supports what the descriptor asks for.
  [[nodiscard]] bool try_finish();

 private:
  Handle<cudnnBackendDescriptor_t, detail::destroy_descriptor> handle_;
};

/// The properties of the device of ordinal `device`, or those in cuDNN's JSON form.
[[nodiscard]] CudnnDescriptor device_properties(int device);
[[nodiscard]] CudnnDescriptor device_properties(std::string_view json);

enum class ConvPass : std::int64_t { kForward, kBackwardData, kBackwardWeight };

/// A convolution as cuDNN wants it described. x, y: nhwc. w: (K,R,S,C/groups). In bf16 all tensors
/// are (cuDNN 9.19 has no engine for an f32 gradient or bias beside bf16), the sums f32.
struct CudnnConv {
  static constexpr std::size_t kKeyWords = 23;

  ConvPass pass;
  DType dtype;  ///< kF32 or kBF16
  const ConvOptions& options;
  const Shape &x, &w, &y;
  std::int64_t alignment = 16;  ///< bytes that every pointer is a multiple of, up to 16
  Activation activation = Activation::kNone;  ///< forward only, as the next two
  bool bias = false, residual = false;

  [[nodiscard]] std::array<std::int64_t, kKeyWords> key() const;
  /// Whether anything follows the convolution.
  [[nodiscard]] bool fused() const { return bias || residual || activation != Activation::kNone; }
};

/// Numbers of the tensors in a plan; kOut is y, dx or dw, kData and kOther the two inputs: x, w |
/// dy, w | x, dy.
enum CudnnSlot : std::int64_t { kData = 1, kOther, kOut, kBias, kResidual };

struct CudnnPlan {
  CudnnDescriptor plan;  ///< empty: cuDNN has no engine for the problem
  std::int64_t workspace_bytes = 0;
  bool repeatable = true;  ///< gives the same bits every time
};

/// Which engines may be taken.
struct EngineFilter {
  bool deterministic = false;
  bool exact_f32 = false;  ///< none that rounds f32 inputs (TF32) or reduces in lower precision
};

/// The plans that heuristics propose for `problem`, best first, at most `limit`; those that the
/// filter or cuDNN itself refuses are left out.
[[nodiscard]] std::vector<CudnnPlan> cudnn_plans(const CudnnDescriptor& device,
                                                 const CudnnConv& problem,
                                                 const EngineFilter& filter, std::size_t limit);

}  // namespace graft::kernels::cuda
