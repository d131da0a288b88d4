// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/conv.h"

#include <algorithm>
#include <vector>

#include "kernels/ref/common.h"

namespace graft::kernels::ref {
namespace {

/// Extents and index arithmetic of one convolution.
struct Geometry {
  ConvOptions o;
  std::int64_t n, h, w, c;  // input
  std::int64_t p, q, k;     // output
  std::int64_t r, s;        // filter
  std::int64_t cg, kg;      // channels of one group

  Geometry(const ConvOptions& options, const Shape& x, const Shape& filter, const Shape& y)
      : o(options),
        n(x[0]),
        h(x[1]),
        w(x[2]),
        c(x[3]),
        p(y[1]),
        q(y[2]),
        k(y[3]),
        r(filter[1]),
        s(filter[2]),
        cg(c / options.groups),
        kg(k / options.groups) {}

  [[nodiscard]] std::int64_t row(std::int64_t ip, std::int64_t ir) const {
    return ip * o.stride + ir * o.dilation - o.pad_top;
  }
  [[nodiscard]] std::int64_t col(std::int64_t iq, std::int64_t is) const {
    return iq * o.stride + is * o.dilation - o.pad_left;
  }
  [[nodiscard]] std::int64_t x_at(std::int64_t in, std::int64_t ih, std::int64_t iw) const {
    return ((in * h + ih) * w + iw) * c;
  }
  [[nodiscard]] std::int64_t y_at(std::int64_t in, std::int64_t ip, std::int64_t iq) const {
    return ((in * p + ip) * q + iq) * k;
  }
  [[nodiscard]] std::int64_t w_at(std::int64_t ik, std::int64_t ir, std::int64_t is) const {
    return ((ik * r + ir) * s + is) * cg;
  }

  /// f(ir, is, ih, iw) for the taps of output pixel (ip, iq) that fall inside the input.
  template <class F>
  void for_taps(std::int64_t ip, std::int64_t iq, F&& f) const {
    for (std::int64_t ir = 0; ir < r; ++ir) {
      const std::int64_t ih = row(ip, ir);
      if (ih < 0 || ih >= h) continue;
      for (std::int64_t is = 0; is < s; ++is) {
        const std::int64_t iw = col(iq, is);
        if (iw >= 0 && iw < w) f(ir, is, ih, iw);
      }
    }
  }
  /// f(in, ip, iq) for every output pixel.
  template <class F>
  void for_outputs(F&& f) const {
    for (std::int64_t in = 0; in < n; ++in) {
      for (std::int64_t ip = 0; ip < p; ++ip) {
        for (std::int64_t iq = 0; iq < q; ++iq) f(in, ip, iq);
      }
    }
  }
};

template <class T>
void fwd(const Geometry& g, const T* x, const T* w, const T* bias, T* y) {
  g.for_outputs([&](auto in, auto ip, auto iq) {
    for (std::int64_t ik = 0; ik < g.k; ++ik) {
      const std::int64_t c0 = ik / g.kg * g.cg;
      double sum = bias != nullptr ? static_cast<double>(bias[ik]) : 0.0;
      g.for_taps(ip, iq, [&](auto ir, auto is, auto ih, auto iw) {
        const T* xs = x + g.x_at(in, ih, iw) + c0;
        const T* ws = w + g.w_at(ik, ir, is);
        for (std::int64_t ic = 0; ic < g.cg; ++ic) {
          sum += static_cast<double>(xs[ic]) * static_cast<double>(ws[ic]);
        }
      });
      y[g.y_at(in, ip, iq) + ik] = static_cast<T>(sum);
    }
  });
}

template <class T>
void bwd_data(const Geometry& g, const T* dy, const T* w, GradMode mode, T* dx) {
  std::vector<double> sum(static_cast<std::size_t>(g.h * g.w * g.c));
  for (std::int64_t in = 0; in < g.n; ++in) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (std::int64_t ip = 0; ip < g.p; ++ip) {
      for (std::int64_t iq = 0; iq < g.q; ++iq) {
        const T* dys = dy + g.y_at(in, ip, iq);
        g.for_taps(ip, iq, [&](auto ir, auto is, auto ih, auto iw) {
          for (std::int64_t ik = 0; ik < g.k; ++ik) {
            double* out = sum.data() + g.x_at(0, ih, iw) + ik / g.kg * g.cg;
            const T* ws = w + g.w_at(ik, ir, is);
            const auto d = static_cast<double>(dys[ik]);
            for (std::int64_t ic = 0; ic < g.cg; ++ic) out[ic] += d * static_cast<double>(ws[ic]);
          }
        });
      }
    }
    T* dxs = dx + g.x_at(in, 0, 0);
    for (std::size_t i = 0; i < sum.size(); ++i) {
      store(mode, dxs, static_cast<std::int64_t>(i), sum[i]);
    }
  }
}

template <class T>
void bwd_weight(const Geometry& g, const T* x, const T* dy, GradMode mode, T* dw, T* dbias) {
  const std::int64_t filter = g.r * g.s * g.cg;
  std::vector<double> sum(static_cast<std::size_t>(filter));
  for (std::int64_t ik = 0; ik < g.k; ++ik) {
    const std::int64_t c0 = ik / g.kg * g.cg;
    std::fill(sum.begin(), sum.end(), 0.0);
    double bias_sum = 0;
    g.for_outputs([&](auto in, auto ip, auto iq) {
      const auto d = static_cast<double>(dy[g.y_at(in, ip, iq) + ik]);
      bias_sum += d;
      g.for_taps(ip, iq, [&](auto ir, auto is, auto ih, auto iw) {
        double* out = sum.data() + g.w_at(0, ir, is);
        const T* xs = x + g.x_at(in, ih, iw) + c0;
        for (std::int64_t ic = 0; ic < g.cg; ++ic) out[ic] += d * static_cast<double>(xs[ic]);
      });
    });
    for (std::int64_t i = 0; i < filter; ++i) {
      store(mode, dw, ik * filter + i, sum[static_cast<std::size_t>(i)]);
    }
    if (dbias != nullptr) store(mode, dbias, ik, bias_sum);
  }
}

}  // namespace

void conv_fwd(Context&, const ConvOptions& options, const Tensor& x, const Tensor& w,
              const Tensor& bias, std::uint64_t, Tensor& y) {
  const Geometry g(options, x.shape(), w.shape(), y.shape());
  dispatch_float(x.dtype(), "conv_fwd", [&]<class T>(std::type_identity<T>) {
    fwd(g, x.ptr<const T>(), w.ptr<const T>(), bias.ptr<const T>(), y.ptr<T>());
  });
}

void conv_fused_fwd(Context& ctx, const ConvOptions& options, Activation act, const Tensor& x,
                    const Tensor& w, const Tensor& bias, const Tensor& residual,
                    std::uint64_t w_version, Tensor& y) {
  ref::conv_fwd(ctx, options, x, w, bias, w_version, y);
  dispatch_float(y.dtype(), "conv_fused_fwd", [&]<class T>(std::type_identity<T>) {
    const T* side = residual.ptr<const T>();
    T* ys = y.ptr<T>();
    for (std::int64_t i = 0; i < y.numel(); ++i) {
      const double sum =
          static_cast<double>(ys[i]) + (side != nullptr ? static_cast<double>(side[i]) : 0.0);
      ys[i] = static_cast<T>(activate(act, sum));
    }
  });
}

void conv_bwd_data(Context&, const ConvOptions& options, const Tensor& dy, const Tensor& w,
                   std::uint64_t, GradMode mode, Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  const Geometry g(options, dx.shape(), w.shape(), dy.shape());
  dispatch_float(dy.dtype(), "conv_bwd_data", [&]<class T>(std::type_identity<T>) {
    bwd_data(g, dy.ptr<const T>(), w.ptr<const T>(), mode, dx.ptr<T>());
  });
}

void conv_bwd_weight(Context&, const ConvOptions& options, const Tensor& x, const Tensor& dy,
                     GradMode mode, Tensor& dw, Tensor& dbias) {
  if (mode == GradMode::kSkip) return;
  const Geometry g(options, x.shape(), dw.shape(), dy.shape());
  dispatch_float(x.dtype(), "conv_bwd_weight", [&]<class T>(std::type_identity<T>) {
    bwd_weight(g, x.ptr<const T>(), dy.ptr<const T>(), mode, dw.ptr<T>(), dbias.ptr<T>());
  });
}

}  // namespace graft::kernels::ref
