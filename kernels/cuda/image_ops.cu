// SPDX-License-Identifier: Apache-2.0
// u8 images to network input: kernels/api/image_ops.h; the same out of a data set that lies on the
// device, with the transforms drawn there: kernels/api/augment.h.
//
//   y[n,p,q,c] = table[c][x[n, top + p, left + q', c]],  q' mirrored where flip;  black outside,
//   0 in the cutout
//
// Mapping: one thread an output pixel (3 channels). The table (3 KB) comes out of L1. DRAM: 3 bytes
// read and 12 (f32) or 6 (bf16) written a pixel. A table look-up, so the bits are those of every
// other backend. augment_rows draws an image's transform anew for each of its pixels: two Philox
// blocks, some 200 integer operations, hidden behind memory up to a few million pixels. Reference:
// kernels/ref/image_ops.cpp. Source: textbook; Cutout: DeVries & Taylor 2017.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/image.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

template <class T>
struct U8ToFloat {
  ImageExtents e;
  const ImageTransform* transform;
  const float* table;
  const std::uint8_t* x;
  T* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t n = i / e.out_pixels();
    write_pixel(e, transform[n], table, x + n * e.in_bytes(), i % e.out_pixels(), y + i * 3);
  }
};

template <class T>
struct Augment {
  ImageExtents e;
  AugmentRule rule;
  std::uint64_t seed;
  const std::uint8_t* images;
  const std::int32_t* labels;
  const float* table;
  const std::int64_t* id;
  const std::uint32_t* epoch;
  T* x;
  std::int32_t* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t n = i / e.out_pixels(), pixel = i % e.out_pixels();
    const auto image = static_cast<std::uint64_t>(id[n]);
    const ImageTransform t = draw_transform(rule, e.h, e.w, seed, epoch[n], id[n]);
    write_pixel(e, t, table, images + image * e.in_bytes(), pixel, x + i * 3);
    if (pixel == 0) y[n] = labels[image];
  }
};

}  // namespace

void u8_to_float(Context& ctx, std::span<const ImageTransform> transform, const ImageTable& table,
                 const Tensor& x, Tensor& y) {
  const Upload sent(ctx, {std::as_bytes(transform), std::as_bytes(std::span(&table, 1))});
  const ImageExtents e(x.shape(), y.shape());
  with_pack(y.dtype(), false, "u8_to_float",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, static_cast<std::uint32_t>(x.shape()[0]) * e.out_pixels(),
                       U8ToFloat<T>{e, sent.part<ImageTransform>(0), sent.part<float>(1),
                                    x.ptr<const std::uint8_t>(), y.ptr<T>()});
            });
}

void augment_rows(Context& ctx, const AugmentRule& rule, std::uint64_t seed,
                  const DeviceImages& data, const Tensor& id, const Tensor& epoch, Tensor& x,
                  Tensor& y) {
  const ImageExtents e(data.images.shape(), x.shape());
  with_pack(x.dtype(), false, "augment_rows",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(id) * e.out_pixels(),
                       Augment<T>{e, rule, seed, data.images.ptr<const std::uint8_t>(),
                                  data.labels.ptr<const std::int32_t>(),
                                  data.table.ptr<const float>(), id.ptr<const std::int64_t>(),
                                  static_cast<const std::uint32_t*>(epoch.data()), x.ptr<T>(),
                                  y.ptr<std::int32_t>()});
            });
}

}  // namespace graft::kernels::cuda
