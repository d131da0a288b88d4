// SPDX-License-Identifier: Apache-2.0
#include "engine/tensor/tensor.h"

#include <cstring>

namespace graft {

Tensor Tensor::allocate(MemoryResource& memory, const Shape& shape, DType dtype) {
  Tensor t;
  t.shape_ = shape;
  t.dtype_ = dtype;
  t.storage_ = std::make_shared<Buffer>(memory, t.bytes());
  t.data_ = t.storage_->data();
  return t;
}

Tensor Tensor::zeros(MemoryResource& memory, const Shape& shape, DType dtype) {
  Tensor t = allocate(memory, shape, dtype);
  std::memset(t.data(), 0, t.bytes());
  return t;
}

Tensor Tensor::borrow(void* data, const Shape& shape, DType dtype) {
  Tensor t;
  t.data_ = data;
  t.shape_ = shape;
  t.dtype_ = dtype;
  return t;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t count) const {
  GRAFT_CHECK(shape_.rank() >= 1 && begin >= 0 && count >= 0 && begin + count <= shape_[0],
              "rows [", begin, ", ", begin + count, ") of ", shape_);
  Tensor t = *this;
  t.shape_ = shape_.with_batch(count);
  t.data_ = static_cast<std::byte*>(data_) +
            static_cast<std::size_t>(begin * shape_.row_numel()) * size_of(dtype_);
  return t;
}

Tensor Tensor::reshape(const Shape& shape) const {
  GRAFT_CHECK_EQ(shape.numel(), shape_.numel(), "reshape of ", shape_, " to ", shape);
  Tensor t = *this;
  t.shape_ = shape;
  return t;
}

Tensor Tensor::clone(MemoryResource& memory) const {
  Tensor t = allocate(memory, shape_, dtype_);
  std::memcpy(t.data(), data_, bytes());
  return t;
}

}  // namespace graft
