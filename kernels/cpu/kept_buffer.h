// SPDX-License-Identifier: Apache-2.0
// Memory that kernels keep from one call to the next, counted per context.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "engine/device/context.h"

namespace graft::kernels::cpu {

/// What a context's kernels keep besides its workspace. Shared with the buffers: the states of a
/// context end in no particular order.
struct KeptBytes {
  explicit KeptBytes(Context&) {}
  std::shared_ptr<std::size_t> total = std::make_shared<std::size_t>(0);
};

/// A buffer in the context's memory that counts while it lives.
class KeptBuffer {
 public:
  KeptBuffer() = default;
  KeptBuffer(Context& ctx, std::int64_t bytes)
      : buffer_(ctx.memory(), static_cast<std::size_t>(bytes)),
        total_(ctx.state<KeptBytes>().total) {
    *total_ += buffer_.bytes();
  }
  KeptBuffer(KeptBuffer&&) noexcept = default;
  KeptBuffer& operator=(KeptBuffer&& other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(total_, other.total_);
    return *this;
  }
  KeptBuffer(const KeptBuffer&) = delete;
  KeptBuffer& operator=(const KeptBuffer&) = delete;
  ~KeptBuffer() {
    if (total_) *total_ -= buffer_.bytes();
  }

  [[nodiscard]] void* data() const { return buffer_.data(); }

 private:
  Buffer buffer_;
  std::shared_ptr<std::size_t> total_;
};

}  // namespace graft::kernels::cpu
