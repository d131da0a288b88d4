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
    std::memcpy(to + i * bytes, from + static_cast<std::size_t>(row[i]) * bytes, bytes);
  }
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
