// SPDX-License-Identifier: Apache-2.0
// One output pixel of an augmented image, and the augmentation itself from its Philox address.
#pragma once

#include <cstdint>

#include "engine/tensor/shape.h"
#include "kernels/api/image_ops.h"
#include "kernels/cuda/device/math.h"

namespace graft::kernels::cuda {

/// Source (H,W) and output (P,Q), 3 channels.
struct ImageExtents {
  int h, w, p, q;

  ImageExtents(const Shape& x, const Shape& y)
      : h(static_cast<int>(x[1])),
        w(static_cast<int>(x[2])),
        p(static_cast<int>(y[1])),
        q(static_cast<int>(y[2])) {}
  [[nodiscard]] GRAFT_HD std::uint32_t out_pixels() const {
    return static_cast<std::uint32_t>(p * q);
  }
  [[nodiscard]] GRAFT_HD std::uint32_t in_bytes() const {
    return static_cast<std::uint32_t>(h * w * 3);
  }
};

/// `table`: value[channel][byte] as ImageTable; image: (H,W,3); y: the pixel's three channels.
template <class T>
GRAFT_HD void write_pixel(const ImageExtents& e, const ImageTransform& t, const float* table,
                          const std::uint8_t* image, std::uint32_t pixel, T* y) {
  const int ip = static_cast<int>(pixel) / e.q, iq = static_cast<int>(pixel) % e.q;
  const int ih = t.top + ip;
  const int iw = t.left + (t.flip != 0 ? e.q - 1 - iq : iq);
  const bool inside = ih >= 0 && ih < e.h && iw >= 0 && iw < e.w;
  const bool cut = ip >= t.cut_y0 && ip < t.cut_y1 && iq >= t.cut_x0 && iq < t.cut_x1;
  for (int c = 0; c < 3; ++c) {
    const int byte = inside ? image[(ih * e.w + iw) * 3 + c] : 0;
    y[c] = from_float<T>(cut ? 0.0f : table[c * 256 + byte]);
  }
}

}  // namespace graft::kernels::cuda
