// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/image_ops.h"

#include "kernels/cpu/cpu.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/door.h"
#include "kernels/ref/image_ops.h"

namespace graft::kernels {
namespace {

constexpr int kChannels = 3;
constexpr int kLevels = 256;

constexpr Impl<decltype(u8_to_float)> kU8ToFloat[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::u8_to_float},
    {"simd", Backend::kCpu, unless_f32, cpu::u8_to_float},
    {"ref", Backend::kRef, never, ref::u8_to_float},
};

}  // namespace

ImageTable image_table(const double (&mean)[3], const double (&stddev)[3]) {
  const Door door("image_table");
  ImageTable table;
  for (int c = 0; c < kChannels; ++c) {
    door.require(stddev[c] > 0, "stddev of channel ", c, " must be > 0, got ", stddev[c]);
    for (int u = 0; u < kLevels; ++u) {
      table.value[c][u] = static_cast<float>((u / 255.0 - mean[c]) / stddev[c]);
    }
  }
  return table;
}

void u8_to_float(Context& ctx, std::span<const ImageTransform> transform, const ImageTable& table,
                 const Tensor& x, Tensor& y) {
  const Door door("u8_to_float");
  const Shape &from = x.shape(), &to = y.shape();
  door.require(from.rank() == 4 && from[3] == kChannels, "x expects (N,H,W,3), got ", from);
  door.require(to.rank() == 4, "y expects (N,P,Q,3), got ", to);
  door.expect("x", x, from, DType::kU8);
  const DType dtype = y.dtype() == DType::kBF16 ? DType::kBF16 : DType::kF32;
  door.expect("y", y, {from[0], to[1], to[2], kChannels}, dtype);
  door.require(static_cast<std::int64_t>(transform.size()) == from[0], "transform expects ",
               from[0], " entries, got ", transform.size());
  if (y.numel() == 0) return;
  dispatch("u8_to_float", kU8ToFloat, ctx, transform, table, x, y);
}

}  // namespace graft::kernels
