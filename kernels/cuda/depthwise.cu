// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution (groups = C = K), 3 x 3 and 5 x 5: kernels/api/conv.h.
//
//   y[n,p,q,c]  = act(bias[c] + sum_{r,s} x[n, p*stride + r*dilation - pad, ..., c] * w[c,r,s]
//                     + residual)
//   dx[n,h,w,c] = sum over the outputs it goes into;  dw[c,r,s] = sum over (n,p,q)
//
// Mapping: forward and dx: one thread 16 bytes of channels of one pixel, neighbours side by side,
// so that every access is a whole line; a pixel is read R*S times, out of L1 and L2. dw: column
// sums (device/columns.h) with the filter's R*S sums a channel in registers. DRAM: x, y once; dw:
// x, dy once. Weights f32 (R*S*C*4 bytes, L1). Fixed order of sums: bitwise repeatable. Reference:
// kernels/ref/conv.cpp. Source: textbook.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/columns.h"
#include "kernels/cuda/device/conv.h"
#include "kernels/cuda/device/math.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

template <class T, int V>
struct Forward {
  ConvGeometry g;
  Activation act;
  const T* x;
  const float *w, *bias;
  const T* residual;
  T* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const int groups = g.c / V, pixel = static_cast<int>(i) / groups;
    const int c = static_cast<int>(i) % groups * V;
    const int iq = pixel % g.q, ip = pixel / g.q % g.p, in = pixel / g.q / g.p;
    float sum[V];
    for (int j = 0; j < V; ++j) sum[j] = bias != nullptr ? bias[c + j] : 0.0f;
    g.for_taps(ip, iq, [&](int ir, int is, int ih, int iw) {
      float v[V];
      load<V>(x + g.x_at(in, ih, iw) + c, v);
      for (int j = 0; j < V; ++j) sum[j] += v[j] * w[g.w_at(c + j, ir, is)];
    });
    if (residual != nullptr) {
      float v[V];
      load<V>(residual + i * V, v);
      for (int j = 0; j < V; ++j) sum[j] += v[j];
    }
    for (float& s : sum) s = activate(act, s);
    store<V>(y + i * V, sum);
  }
};

template <class T, int V>
struct BackwardData {
  ConvGeometry g;
  const T* dy;
  const float* w;
  GradMode mode;
  T* dx;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const int groups = g.c / V, pixel = static_cast<int>(i) / groups;
    const int c = static_cast<int>(i) % groups * V;
    const int iw = pixel % g.w, ih = pixel / g.w % g.h, in = pixel / g.w / g.h;
    float sum[V] = {};
    g.for_outputs(ih, iw, [&](int ir, int is, int ip, int iq) {
      float v[V];
      load<V>(dy + g.y_at(in, ip, iq) + c, v);
      for (int j = 0; j < V; ++j) sum[j] += v[j] * w[g.w_at(c + j, ir, is)];
    });
    store_grad<V>(mode, dx + i * V, sum);
  }
};

/// The gradient of one channel's R x R filter.
template <int R>
struct FilterSums {
  float v[R * R] = {};
  GRAFT_HD FilterSums operator+(const FilterSums& o) const {
    FilterSums s;
    for (int t = 0; t < R * R; ++t) s.v[t] = v[t] + o.v[t];
    return s;
  }
};

template <class T, int R>
struct LoadFilterSums {
  ConvGeometry g;
  const T *x, *dy;
  GRAFT_HD void operator()(std::uint32_t row, std::uint32_t column, FilterSums<R> (&sum)[1]) const {
    const int pixel = static_cast<int>(row), c = static_cast<int>(column);
    const int iq = pixel % g.q, ip = pixel / g.q % g.p, in = pixel / g.q / g.p;
    const float d = to_float(dy[pixel * g.c + c]);
    // Every tap has its place, so that the sums stay in registers.
    for (int ir = 0; ir < R; ++ir) {
      const int ih = ip * g.stride + ir * g.dilation - g.pad_top;
      for (int is = 0; is < R; ++is) {
        const int iw = iq * g.stride + is * g.dilation - g.pad_left;
        const bool inside = ih >= 0 && ih < g.h && iw >= 0 && iw < g.w;
        sum[0].v[ir * R + is] += inside ? d * to_float(x[g.x_at(in, ih, iw) + c]) : 0.0f;
      }
    }
  }
};

template <int R>
struct FinishFilter {
  GradMode mode;
  float* dw;
  GRAFT_HD void operator()(std::uint32_t c, const FilterSums<R>& s) const {
    for (int t = 0; t < R * R; ++t) {
      const float g[1] = {s.v[t]};
      store_grad<1>(mode, dw + c * R * R + t, g);
    }
  }
};

const char* not_depthwise(const ConvOptions& o, const Tensor& x, const Tensor& w) {
  if (o.groups != x.shape()[3] || w.shape()[0] != o.groups) return "not depthwise";
  const bool square = w.shape()[1] == w.shape()[2];
  return square && (w.shape()[1] == 3 || w.shape()[1] == 5) ? nullptr : "filter not 3x3 or 5x5";
}

template <int R>
void backward_weight(Context& ctx, const ConvGeometry& g, const Tensor& x, const Tensor& dy,
                     GradMode mode, Tensor& dw) {
  const auto rows = static_cast<std::uint32_t>(g.n * g.p * g.q);
  const auto c = static_cast<std::uint32_t>(g.c);
  with_pack(x.dtype(), false, "conv_bwd_weight",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              sum_columns<FilterSums<R>, 1>(
                  ctx, rows, c, LoadFilterSums<T, R>{g, x.ptr<const T>(), dy.ptr<const T>()},
                  FinishFilter<R>{mode, dw.ptr<float>()},
                  scratch(ctx, column_scratch<FilterSums<R>>(rows, c, 1)));
            });
}

}  // namespace

const char* depthwise_fused_fwd_why_not(const ConvOptions& o, Activation, const Tensor& x,
                                        const Tensor& w, const Tensor&, const Tensor&,
                                        std::uint64_t, Tensor& y) {
  if (const char* reason = why_not<const Tensor&, const Tensor&>(x, y)) return reason;
  return not_depthwise(o, x, w);
}
const char* depthwise_fwd_why_not(const ConvOptions& o, const Tensor& x, const Tensor& w,
                                  const Tensor& bias, std::uint64_t version, Tensor& y) {
  return depthwise_fused_fwd_why_not(o, Activation::kNone, x, w, bias, {}, version, y);
}
const char* depthwise_bwd_data_why_not(const ConvOptions& o, const Tensor& dy, const Tensor& w,
                                       std::uint64_t, GradMode, Tensor& dx) {
  if (const char* reason = why_not<const Tensor&, const Tensor&>(dy, dx)) return reason;
  return not_depthwise(o, dx, w);
}
const char* depthwise_bwd_weight_why_not(const ConvOptions& o, const Tensor& x, const Tensor& dy,
                                         GradMode, Tensor& dw, Tensor&) {
  if (const char* reason = why_not<const Tensor&, const Tensor&>(x, dy)) return reason;
  return not_depthwise(o, x, dw);
}

void depthwise_fused_fwd(Context& ctx, const ConvOptions& options, Activation act, const Tensor& x,
                         const Tensor& w, const Tensor& bias, const Tensor& residual, std::uint64_t,
                         Tensor& y) {
  const ConvGeometry g(options, x.shape(), w.shape(), y.shape());
  with_pack(x.dtype(), wide(g.c, x, residual, y), "conv_fwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(y) / V,
                       Forward<T, V>{g, act, x.ptr<const T>(), w.ptr<const float>(),
                                     bias.ptr<const float>(), residual.ptr<const T>(), y.ptr<T>()});
            });
}

void depthwise_fwd(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& w,
                   const Tensor& bias, std::uint64_t w_version, Tensor& y) {
  depthwise_fused_fwd(ctx, options, Activation::kNone, x, w, bias, {}, w_version, y);
}

void depthwise_bwd_data(Context& ctx, const ConvOptions& options, const Tensor& dy, const Tensor& w,
                        std::uint64_t, GradMode mode, Tensor& dx) {
  const ConvGeometry g(options, dx.shape(), w.shape(), dy.shape());
  with_pack(
      dy.dtype(), wide(g.c, dy, dx), "conv_bwd_data",
      [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
        for_each(ctx, count(dx) / V,
                 BackwardData<T, V>{g, dy.ptr<const T>(), w.ptr<const float>(), mode, dx.ptr<T>()});
      });
}

void depthwise_bwd_weight(Context& ctx, const ConvOptions& options, const Tensor& x,
                          const Tensor& dy, GradMode mode, Tensor& dw, Tensor& dbias) {
  const ConvGeometry g(options, x.shape(), dw.shape(), dy.shape());
  g.r == 3 ? backward_weight<3>(ctx, g, x, dy, mode, dw)
           : backward_weight<5>(ctx, g, x, dy, mode, dw);
  column_sums(ctx, dy, mode, dbias);
}

}  // namespace graft::kernels::cuda
