// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/image_ops.h"

namespace graft::kernels::ref {
namespace {

constexpr std::int64_t kChannels = 3;

void transform_one(const ImageTransform& t, const ImageTable& table, std::int64_t h, std::int64_t w,
                   std::int64_t p, std::int64_t q, const std::uint8_t* x, float* y) {
  for (std::int64_t ip = 0; ip < p; ++ip) {
    const std::int64_t ih = t.top + ip;
    for (std::int64_t iq = 0; iq < q; ++iq) {
      const std::int64_t iw = t.left + (t.flip != 0 ? q - 1 - iq : iq);
      const bool inside = ih >= 0 && ih < h && iw >= 0 && iw < w;
      const bool cut = ip >= t.cut_y0 && ip < t.cut_y1 && iq >= t.cut_x0 && iq < t.cut_x1;
      for (std::int64_t c = 0; c < kChannels; ++c) {
        const std::uint8_t pixel = inside ? x[(ih * w + iw) * kChannels + c] : std::uint8_t{0};
        y[(ip * q + iq) * kChannels + c] = cut ? 0.0f : table.value[c][pixel];
      }
    }
  }
}

}  // namespace

void u8_to_float(Context&, std::span<const ImageTransform> transform, const ImageTable& table,
                 const Tensor& x, Tensor& y) {
  const Shape &in = x.shape(), &out = y.shape();
  for (std::int64_t n = 0; n < in[0]; ++n) {
    transform_one(transform[static_cast<std::size_t>(n)], table, in[1], in[2], out[1], out[2],
                  x.ptr<const std::uint8_t>() + n * in.row_numel(),
                  y.ptr<float>() + n * out.row_numel());
  }
}

}  // namespace graft::kernels::ref
