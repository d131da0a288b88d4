// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/rows.h"

#include <cstddef>
#include <cstring>

#include "kernels/ref/common.h"

namespace graft::kernels::ref {

void gather_rows(Context&, const Tensor& x, std::span<const std::int32_t> row, Tensor& out) {
  const std::size_t bytes = static_cast<std::size_t>(x.shape().row_numel()) * size_of(x.dtype());
  if (bytes == 0) return;
  const auto* from = static_cast<const std::byte*>(x.data());
  auto* to = static_cast<std::byte*>(out.data());
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::byte* source = from + static_cast<std::size_t>(row[i]) * bytes;
    if (source != to + i * bytes) std::memcpy(to + i * bytes, source, bytes);
  }
}

void compact_rows(Context& ctx, Tensor& x, std::span<const std::int32_t> row) {
  gather_rows(ctx, x, row, x);  // in order: row[i] >= i is read before anything is written there
}

void project_out_rows(Context&, const Tensor& w, Tensor& g) {
  const std::int64_t width = w.shape().row_numel();
  dispatch_float(w.dtype(), "project_out_rows", [&]<class T>(std::type_identity<T>) {
    for (std::int64_t k = 0; k < w.shape()[0]; ++k) {
      const T* from = w.ptr<const T>() + k * width;
      T* to = g.ptr<T>() + k * width;
      double along = 0, squares = 0;
      for (std::int64_t j = 0; j < width; ++j) {
        along += static_cast<double>(to[j]) * static_cast<double>(from[j]);
        squares += static_cast<double>(from[j]) * static_cast<double>(from[j]);
      }
      if (squares == 0) continue;
      for (std::int64_t j = 0; j < width; ++j) {
        const double part = along / squares * static_cast<double>(from[j]);
        store(GradMode::kAccumulate, to, j, -part);
      }
    }
  });
}

void scatter_add_rows(Context&, const Tensor& x, std::span<const std::int32_t> row, Tensor& out) {
  const std::int64_t width = x.shape().row_numel();
  dispatch_float(x.dtype(), "scatter_add_rows", [&]<class T>(std::type_identity<T>) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const T* from = x.ptr<const T>() + static_cast<std::int64_t>(i) * width;
      T* to = out.ptr<T>() + row[i] * width;
      for (std::int64_t j = 0; j < width; ++j) store(GradMode::kAccumulate, to, j, from[j]);
    }
  });
}

}  // namespace graft::kernels::ref
