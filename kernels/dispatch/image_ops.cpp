// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/image_ops.h"

#include "kernels/api/augment.h"
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

constexpr Impl<decltype(augment_rows)> kAugmentRows[] = {
    {"own", Backend::kCuda, cuda::why_not, cuda::augment_rows},
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

void augment_rows(Context& ctx, const AugmentRule& rule, std::uint64_t seed,
                  const DeviceImages& data, const Tensor& id, const Tensor& epoch, Tensor& x,
                  Tensor& y) {
  const Door door("augment_rows");
  const Shape& images = data.images.shape();
  const std::int64_t n = id.numel();
  door.require(images.rank() == 4 && images[3] == kChannels, "images expects (M,H,W,3), got ",
               images);
  door.require(rule.pad >= 0 && rule.cutout >= 0, "pad ", rule.pad, ", cutout ", rule.cutout);
  door.expect("images", data.images, images, DType::kU8);
  door.expect("labels", data.labels, {images[0]}, DType::kI32);
  door.expect("table", data.table, {kChannels, kLevels}, DType::kF32);
  door.expect("id", id, {n}, DType::kI64);
  door.expect("epoch", epoch, {n}, DType::kI32);
  const DType dtype = x.dtype() == DType::kBF16 ? DType::kBF16 : DType::kF32;
  door.expect("x", x, images.with_batch(n), dtype);
  door.expect("y", y, {n}, DType::kI32);
  if (n == 0) return;
  dispatch("augment_rows", kAugmentRows, ctx, rule, seed, data, id, epoch, x, y);
}

}  // namespace graft::kernels
