// SPDX-License-Identifier: Apache-2.0
// Several arrays in the context's workspace: declare them all, then open once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/device/context.h"

namespace graft::kernels::cpu {

class Scratch {
 public:
  template <class T>
  class Array {
   public:
    [[nodiscard]] T* get() const { return reinterpret_cast<T*>(owner_.base_ + offset_); }

   private:
    friend class Scratch;
    Array(const Scratch& owner, std::size_t offset) : owner_(owner), offset_(offset) {}
    const Scratch& owner_;
    std::size_t offset_;
  };

  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  /// `count` elements, aligned to MemoryResource::kAlignment; usable after open().
  template <class T>
  [[nodiscard]] Array<T> array(std::int64_t count) {
    constexpr std::size_t kAlign = MemoryResource::kAlignment;
    const std::size_t offset = bytes_;
    bytes_ += (static_cast<std::size_t>(count) * sizeof(T) + kAlign - 1) / kAlign * kAlign;
    return {*this, offset};
  }
  void open(Context& ctx) { base_ = static_cast<std::byte*>(ctx.workspace().get(bytes_)); }

 private:
  std::byte* base_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace graft::kernels::cpu
