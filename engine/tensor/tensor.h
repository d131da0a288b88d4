// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include "engine/device/memory.h"
#include "engine/tensor/dtype.h"
#include "engine/tensor/shape.h"

namespace graft {

/// What a kernel sees: a pointer and extents, dense row-major. Trivially copyable.
template <class T>
struct TensorView {
  T* data = nullptr;
  Shape shape;
};
static_assert(std::is_trivially_copyable_v<TensorView<float>>);

/// A dense row-major tensor. Copying shares the storage; clone() copies it.
/// The storage is either owned (reference counted) or borrowed from a planned arena, whose owner
/// must outlive the tensor. A default-constructed tensor is empty and stands for "not given".
class Tensor {
 public:
  Tensor() = default;

  /// Allocates uninitialised storage from `memory` (throws Error(kOutOfMemory)).
  static Tensor allocate(MemoryResource& memory, const Shape& shape, DType dtype = DType::kF32);
  /// As allocate(), filled with zero bytes (host memory only).
  static Tensor zeros(MemoryResource& memory, const Shape& shape, DType dtype = DType::kF32);
  /// Wraps memory that somebody else owns.
  static Tensor borrow(void* data, const Shape& shape, DType dtype = DType::kF32);

  [[nodiscard]] bool empty() const { return data_ == nullptr; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] std::int64_t numel() const { return shape_.numel(); }
  [[nodiscard]] std::size_t bytes() const {
    return static_cast<std::size_t>(shape_.numel()) * size_of(dtype_);
  }
  [[nodiscard]] void* data() const { return data_; }

  /// Rows [begin, begin + count) of the batch axis; a view.
  [[nodiscard]] Tensor rows(std::int64_t begin, std::int64_t count) const;
  /// The same storage under another shape with as many elements; a view.
  [[nodiscard]] Tensor reshape(const Shape& shape) const;
  /// A copy in memory of its own (host memory only).
  [[nodiscard]] Tensor clone(MemoryResource& memory) const;

  /// Typed view; the dtype is checked here, once.
  template <class T>
  [[nodiscard]] TensorView<T> view() const {
    GRAFT_CHECK(dtype_ == kDtypeOf<std::remove_const_t<T>>, "tensor has dtype ", name(dtype_));
    return {static_cast<T*>(data_), shape_};
  }
  /// Typed pointer; nullptr for an empty tensor, else the dtype is checked.
  template <class T>
  [[nodiscard]] T* ptr() const {
    return empty() ? nullptr : view<T>().data;
  }

 private:
  void* data_ = nullptr;
  Shape shape_;
  DType dtype_ = DType::kF32;
  std::shared_ptr<Buffer> storage_;  // null: borrowed
};

}  // namespace graft
