// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

namespace graft {

/// Owns a handle of a C library. Move-only; `Close` must not throw.
template <class H, auto Close>
class Handle {
 public:
  Handle() = default;
  explicit Handle(H h) noexcept : h_(h) {}
  Handle(Handle&& other) noexcept : h_(std::exchange(other.h_, H{})) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(h_, other.h_);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (h_ != H{}) Close(h_);
  }

  [[nodiscard]] H get() const noexcept { return h_; }

 private:
  H h_{};
};

}  // namespace graft
