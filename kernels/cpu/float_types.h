// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/tensor/tensor.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels::cpu {

/// A tensor's data as elements of the loops.
template <class T>
T* elements(const Tensor& t) {
  return static_cast<T*>(t.data());
}

/// f(table.f32) or f(table.bf16), by the dtype of `t`.
template <class Table, class F>
void with_loops(const Tensor& t, const Table& table, const F& f) {
  if (t.dtype() == DType::kBF16) {
    f(table.bf16);
  } else {
    f(table.f32);
  }
}

}  // namespace graft::kernels::cpu
