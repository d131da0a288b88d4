// SPDX-License-Identifier: Apache-2.0
// Host side of the launchers: element types, widths of access, bytes sent to the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <type_traits>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"

namespace graft::kernels::cuda {

constexpr std::size_t kAccess = 16;  // bytes that a thread reads or writes at once

inline std::uint32_t count(const Tensor& t) { return static_cast<std::uint32_t>(t.numel()); }

/// Whether rows of `extent` elements of `first`'s type can be moved 16 bytes at a time in all
/// tensors; empty ones do not count.
template <class... Ts>
bool wide(std::int64_t extent, const Tensor& first, const Ts&... more) {
  const auto aligned = [](const Tensor& t) {
    return t.empty() || reinterpret_cast<std::uintptr_t>(t.data()) % kAccess == 0;
  };
  return static_cast<std::size_t>(extent) * size_of(first.dtype()) % kAccess == 0 &&
         aligned(first) && (aligned(more) && ...);
}

/// f(type_identity<T>, integral_constant<int, V>): V elements of 16 bytes together, or 1.
template <class F>
void with_pack(DType dtype, bool is_wide, const char* op, F&& f) {
  using std::integral_constant;
  if (dtype == DType::kF32) {
    using T = std::type_identity<float>;
    is_wide ? f(T{}, integral_constant<int, 4>{}) : f(T{}, integral_constant<int, 1>{});
  } else if (dtype == DType::kBF16) {
    using T = std::type_identity<BFloat16>;
    is_wide ? f(T{}, integral_constant<int, 8>{}) : f(T{}, integral_constant<int, 1>{});
  } else {
    fail(Errc::kUnsupported, op, ": expects f32 or bf16, got ", name(dtype));
  }
}

/// At least `bytes` bytes of the context's memory, valid until the next call; beside the context's
/// workspace, where layers may hold what they hand to a kernel.
[[nodiscard]] void* scratch(Context& ctx, std::size_t bytes);

/// Bytes of the host for the kernels that follow, in scratch(), and `room` bytes behind them.
/// Throws Error(kUnsupported) inside record(): a recording would send them once.
class Upload {
 public:
  Upload(Context& ctx, std::initializer_list<std::span<const std::byte>> parts,
         std::size_t room = 0);
  /// Part i on the device.
  template <class T>
  [[nodiscard]] const T* part(std::size_t i) const {
    return reinterpret_cast<const T*>(base_ + offset_[i]);
  }
  [[nodiscard]] void* room() const { return base_ + room_; }

 private:
  static constexpr std::size_t kMaxParts = 4;
  std::byte* base_ = nullptr;
  std::size_t room_ = 0;
  std::size_t offset_[kMaxParts] = {};
};

}  // namespace graft::kernels::cuda
