// SPDX-License-Identifier: Apache-2.0
// Extents and index arithmetic of one convolution, channels last.
#pragma once

#include "engine/core/rng.h"
#include "engine/tensor/shape.h"
#include "kernels/api/conv.h"

namespace graft::kernels::cuda {

struct ConvGeometry {
  int n, h, w, c;  // input
  int p, q, k;     // output
  int r, s;        // filter
  int cg, kg;      // channels of one group
  int stride, pad_top, pad_left, dilation;

  ConvGeometry(const ConvOptions& o, const Shape& x, const Shape& filter, const Shape& y)
      : n(static_cast<int>(x[0])),
        h(static_cast<int>(x[1])),
        w(static_cast<int>(x[2])),
        c(static_cast<int>(x[3])),
        p(static_cast<int>(y[1])),
        q(static_cast<int>(y[2])),
        k(static_cast<int>(y[3])),
        r(static_cast<int>(filter[1])),
        s(static_cast<int>(filter[2])),
        cg(c / o.groups),
        kg(k / o.groups),
        stride(o.stride),
        pad_top(o.pad_top),
        pad_left(o.pad_left),
        dilation(o.dilation) {}

  /// Place of the first channel of a pixel.
  [[nodiscard]] GRAFT_HD int x_at(int in, int ih, int iw) const {
    return ((in * h + ih) * w + iw) * c;
  }
  [[nodiscard]] GRAFT_HD int y_at(int in, int ip, int iq) const {
    return ((in * p + ip) * q + iq) * k;
  }
  [[nodiscard]] GRAFT_HD int w_at(int ik, int ir, int is) const {
    return ((ik * r + ir) * s + is) * cg;
  }

  /// f(ir, is, ih, iw) for the taps of output pixel (ip, iq) that fall inside the input.
  template <class F>
  GRAFT_HD void for_taps(int ip, int iq, const F& f) const {
    for (int ir = 0; ir < r; ++ir) {
      const int ih = ip * stride + ir * dilation - pad_top;
      if (ih < 0 || ih >= h) continue;
      for (int is = 0; is < s; ++is) {
        const int iw = iq * stride + is * dilation - pad_left;
        if (iw >= 0 && iw < w) f(ir, is, ih, iw);
      }
    }
  }
  /// f(ir, is, ip, iq) for the outputs that input pixel (ih, iw) goes into.
  template <class F>
  GRAFT_HD void for_outputs(int ih, int iw, const F& f) const {
    for (int ir = 0; ir < r; ++ir) {
      const int down = ih + pad_top - ir * dilation;
      if (down < 0 || down % stride != 0 || down / stride >= p) continue;
      for (int is = 0; is < s; ++is) {
        const int right = iw + pad_left - is * dilation;
        if (right < 0 || right % stride != 0 || right / stride >= q) continue;
        f(ir, is, down / stride, right / stride);
      }
    }
  }
};

}  // namespace graft::kernels::cuda
