// SPDX-License-Identifier: Apache-2.0
#include "kernels/dispatch/door.h"

namespace graft::kernels {

DType Door::floating(const char* what, const Tensor& t) const {
  require(!t.empty(), what, " is not given");
  require(t.dtype() == DType::kF32 || t.dtype() == DType::kF64 || t.dtype() == DType::kBF16, what,
          " expects dtype f32, f64 or bf16, got ", name(t.dtype()));
  return t.dtype();
}

void Door::expect(const char* what, const Tensor& t, const Shape& shape, DType dtype) const {
  require(!t.empty(), what, " is not given, expects ", shape);
  require(t.shape() == shape, what, " expects shape ", shape, ", got ", t.shape());
  require(t.dtype() == dtype, what, " expects dtype ", name(dtype), ", got ", name(t.dtype()));
}

DType Door::image(const char* what, const Tensor& t) const {
  const DType dtype = floating(what, t);
  require(t.shape().rank() == 4, what, " expects (N,H,W,C), got ", t.shape());
  return dtype;
}

DType Door::bytes(const char* what, const Tensor& t) const {
  require(!t.empty(), what, " is not given");
  require(t.dtype() == DType::kU8 || t.dtype() == DType::kI8, what, " expects dtype u8 or i8, got ",
          name(t.dtype()));
  return t.dtype();
}

DType Door::image_bytes(const char* what, const Tensor& t) const {
  const DType dtype = bytes(what, t);
  require(t.shape().rank() == 4, what, " expects (N,H,W,C), got ", t.shape());
  return dtype;
}

}  // namespace graft::kernels
