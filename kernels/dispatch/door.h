// SPDX-License-Identifier: Apache-2.0
// Checks of public arguments. Every message starts with the operator and says the numbers.
#pragma once

#include "engine/core/error.h"
#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "kernels/api/common.h"

namespace graft::kernels {

/// The door of one operator.
class Door {
 public:
  explicit Door(const char* op) : op_(op) {}

  /// Throws Error(kInvalidArgument, "op: parts...") unless `ok`.
  template <class... Ts>
  void require(bool ok, const Ts&... parts) const {
    if (!ok) [[unlikely]] {
      fail(Errc::kInvalidArgument, op_, ": ", parts...);
    }
  }

  /// `t` must be given, f32, f64 or bf16; returns its dtype.
  DType floating(const char* what, const Tensor& t) const;
  /// `t` must have exactly this shape and dtype.
  void expect(const char* what, const Tensor& t, const Shape& shape, DType dtype) const;
  /// As expect(), or not given.
  void expect_or_empty(const char* what, const Tensor& t, const Shape& shape, DType dtype) const {
    if (!t.empty()) expect(what, t, shape, dtype);
  }
  /// `t` must be floating and (N,H,W,C); returns its dtype.
  DType image(const char* what, const Tensor& t) const;
  /// `t` must be u8 or i8; returns its dtype.
  DType bytes(const char* what, const Tensor& t) const;
  /// `t` must be u8 or i8 and (N,H,W,C); returns its dtype.
  DType image_bytes(const char* what, const Tensor& t) const;

 private:
  const char* op_;
};

/// DTypes that a forward product of activations `x` has beside it.
struct ProductTypes {
  DType weight, y;
};
/// On the host bf16 is for inference: weights and y may be bf16 or f32.
inline ProductTypes product_types(const Context& ctx, DType x, const Tensor& w, const Tensor& y) {
  if (x != DType::kBF16 || ctx.backend() == Backend::kCuda) return {param_dtype(x), x};
  const auto either = [x](const Tensor& t) { return t.dtype() == DType::kF32 ? DType::kF32 : x; };
  return {either(w), either(y)};
}

/// Sets a gradient to zero where the sum that it stands for has no terms.
inline void zero_if_overwrite(Context& ctx, GradMode mode, Tensor& t) {
  if (mode == GradMode::kOverwrite && !t.empty()) fill_zero(ctx, t);
}

}  // namespace graft::kernels
