// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/rows.h"

#include "kernels/cpu/cpu.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"
#include "kernels/ref/rows.h"

namespace graft::kernels {
namespace {

constexpr Impl<decltype(gather_rows)> kGatherRows[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::gather_rows},
    {"simd", Backend::kCpu, never, cpu::gather_rows},
    {"ref", Backend::kRef, never, ref::gather_rows},
};
constexpr Impl<decltype(compact_rows)> kCompactRows[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::compact_rows},
    {"simd", Backend::kCpu, never, cpu::compact_rows},
    {"ref", Backend::kRef, never, ref::compact_rows},
};
constexpr Impl<decltype(project_out_rows)> kProjectOutRows[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::project_out_rows},
    {"ref", Backend::kRef, never, ref::project_out_rows},
};
constexpr Impl<decltype(scatter_add_rows)> kScatterAddRows[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::scatter_add_rows},
    {"simd", Backend::kCpu, unless_f32, cpu::scatter_add_rows},
    {"ref", Backend::kRef, never, ref::scatter_add_rows},
};

/// `many` is the side that `row` points into, `few` the side that has one row per entry.
void check_rows(const Door& door, const char* many_name, const Tensor& many,
                std::span<const std::int32_t> row, const char* few_name, const Tensor& few) {
  door.require(!many.empty() && !few.empty(), many.empty() ? many_name : few_name, " is not given");
  door.require(many.shape().rank() >= 1 && few.shape().rank() >= 1, "expects tensors with rows");
  const auto count = static_cast<std::int64_t>(row.size());
  door.require(few.shape()[0] >= count, few_name, " expects at least ", count, " rows, got ",
               few.shape()[0]);
  door.expect(few_name, few, many.shape().with_batch(few.shape()[0]), many.dtype());
  for (std::int64_t i = 0; i < count; ++i) {
    door.require(row[i] >= 0 && row[i] < many.shape()[0], "row[", i, "]=", row[i],
                 " is not in [0, ", many.shape()[0], ") of ", many_name);
  }
}

}  // namespace

void gather_rows(Context& ctx, const Tensor& x, std::span<const std::int32_t> row, Tensor& out) {
  check_rows(Door("gather_rows"), "x", x, row, "out", out);
  if (row.empty() || x.shape().row_numel() == 0) return;
  dispatch("gather_rows", kGatherRows, ctx, x, row, out);
}

void compact_rows(Context& ctx, Tensor& x, std::span<const std::int32_t> row) {
  const Door door("compact_rows");
  check_rows(door, "x", x, row, "x", x);
  for (std::size_t i = 1; i < row.size(); ++i) {
    door.require(row[i] > row[i - 1], "row[", i, "]=", row[i], " follows ", row[i - 1],
                 "; rows must be ascending and unique");
  }
  if (row.empty() || x.shape().row_numel() == 0) return;
  dispatch("compact_rows", kCompactRows, ctx, x, row);
}

void project_out_rows(Context& ctx, const Tensor& w, Tensor& g) {
  const Door door("project_out_rows");
  door.require(w.shape().rank() >= 1, "w expects rows");
  door.expect("g", g, w.shape(), door.floating("w", w));
  dispatch("project_out_rows", kProjectOutRows, ctx, w, g);
}

void scatter_add_rows(Context& ctx, const Tensor& x, std::span<const std::int32_t> row,
                      Tensor& out) {
  const Door door("scatter_add_rows");
  door.floating("out", out);
  check_rows(door, "out", out, row, "x", x);
  if (row.empty() || x.shape().row_numel() == 0) return;
  dispatch("scatter_add_rows", kScatterAddRows, ctx, x, row, out);
}

}  // namespace graft::kernels
