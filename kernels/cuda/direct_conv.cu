// SPDX-License-Identifier: Apache-2.0
// Convolution and linear layers by plain sums: what runs where cuDNN and cuBLASLt decline, and the
// yardstick to bisect them with (GRAFT_IMPL=conv_fwd:direct). kernels/api/conv.h, gemm.h.
//
//   y[n,p,q,k]  = bias[k] + sum_{r,s,c} x[n, p*stride + r*dilation - pad, ..., c] * w[k,r,s,c]
//   dx[n,h,w,c] = sum over the outputs it goes into;  dw[k,r,s,c] = sum over (n,p,q)
//
// Mapping: one thread an output (input) element; one warp a filter element. Slow: a fused
// multiply-add needs two loads, most of them L1 hits. Fixed order of sums: bitwise repeatable.
// Weights and their gradients f32, activations f32 or bf16. Reference: kernels/ref/conv.cpp,
// gemm.cpp. Source: textbook.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/conv.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/device/math.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

template <class T>
struct Forward {
  ConvGeometry g;
  Activation act;
  const T* x;
  const float *w, *bias;
  const T* residual;
  T* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const int ik = static_cast<int>(i) % g.k, pixel = static_cast<int>(i) / g.k;
    const int iq = pixel % g.q, ip = pixel / g.q % g.p, in = pixel / g.q / g.p;
    const int c0 = ik / g.kg * g.cg;
    float sum = bias != nullptr ? bias[ik] : 0.0f;
    g.for_taps(ip, iq, [&](int ir, int is, int ih, int iw) {
      const T* xs = x + g.x_at(in, ih, iw) + c0;
      const float* ws = w + g.w_at(ik, ir, is);
      for (int ic = 0; ic < g.cg; ++ic) sum += to_float(xs[ic]) * ws[ic];
    });
    if (residual != nullptr) sum += to_float(residual[i]);
    y[i] = from_float<T>(activate(act, sum));
  }
};

template <class T>
struct BackwardData {
  ConvGeometry g;
  const T* dy;
  const float* w;
  GradMode mode;
  T* dx;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const int ic = static_cast<int>(i) % g.c, pixel = static_cast<int>(i) / g.c;
    const int iw = pixel % g.w, ih = pixel / g.w % g.h, in = pixel / g.w / g.h;
    const int k0 = ic / g.cg * g.kg;
    float sum[1] = {0};
    g.for_outputs(ih, iw, [&](int ir, int is, int ip, int iq) {
      const T* d = dy + g.y_at(in, ip, iq);
      for (int ik = k0; ik < k0 + g.kg; ++ik) {
        sum[0] += to_float(d[ik]) * w[g.w_at(ik, ir, is) + ic % g.cg];
      }
    });
    store_grad<1>(mode, dx + i, sum);
  }
};

template <class T>
struct BackwardWeight {
  ConvGeometry g;
  const T *x, *dy;
  GradMode mode;
  float* dw;
  GRAFT_HD void operator()(const Team<kWarp>& team, std::uint32_t i) const {
    const int ic = static_cast<int>(i) % g.cg, tap = static_cast<int>(i) / g.cg;
    const int is = tap % g.s, ir = tap / g.s % g.r, ik = tap / g.s / g.r;
    const int channel = ik / g.kg * g.cg + ic;
    const float sum[1] = {
        team.sum(static_cast<std::uint32_t>(g.n * g.p * g.q), [&](std::uint32_t pixel) {
          const int at = static_cast<int>(pixel);
          const int iq = at % g.q, ip = at / g.q % g.p, in = at / g.q / g.p;
          const int ih = ip * g.stride + ir * g.dilation - g.pad_top;
          const int iw = iq * g.stride + is * g.dilation - g.pad_left;
          if (ih < 0 || ih >= g.h || iw < 0 || iw >= g.w) return 0.0f;
          return to_float(x[g.x_at(in, ih, iw) + channel]) * to_float(dy[at * g.k + ik]);
        })};
    team.each(1, [&](std::uint32_t) { store_grad<1>(mode, dw + i, sum); });
  }
};

Tensor as_image(const Tensor& t) {  // (N,C) -> (N,1,1,C)
  return t.empty() ? t : t.reshape({t.shape()[0], 1, 1, t.shape()[1]});
}

}  // namespace

void direct_conv_fused_fwd(Context& ctx, const ConvOptions& options, Activation act,
                           const Tensor& x, const Tensor& w, const Tensor& bias,
                           const Tensor& residual, std::uint64_t, Tensor& y) {
  const ConvGeometry g(options, x.shape(), w.shape(), y.shape());
  with_pack(x.dtype(), false, "conv_fwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(y),
                       Forward<T>{g, act, x.ptr<const T>(), w.ptr<const float>(),
                                  bias.ptr<const float>(), residual.ptr<const T>(), y.ptr<T>()});
            });
}

void direct_conv_fwd(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& w,
                     const Tensor& bias, std::uint64_t w_version, Tensor& y) {
  direct_conv_fused_fwd(ctx, options, Activation::kNone, x, w, bias, {}, w_version, y);
}

void direct_conv_bwd_data(Context& ctx, const ConvOptions& options, const Tensor& dy,
                          const Tensor& w, std::uint64_t, GradMode mode, Tensor& dx) {
  const ConvGeometry g(options, dx.shape(), w.shape(), dy.shape());
  with_pack(dy.dtype(), false, "conv_bwd_data",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(
                  ctx, count(dx),
                  BackwardData<T>{g, dy.ptr<const T>(), w.ptr<const float>(), mode, dx.ptr<T>()});
            });
}

void direct_conv_bwd_weight(Context& ctx, const ConvOptions& options, const Tensor& x,
                            const Tensor& dy, GradMode mode, Tensor& dw, Tensor& dbias) {
  const ConvGeometry g(options, x.shape(), dw.shape(), dy.shape());
  with_pack(x.dtype(), false, "conv_bwd_weight",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_teams<kWarp>(
                  ctx, count(dw),
                  BackwardWeight<T>{g, x.ptr<const T>(), dy.ptr<const T>(), mode, dw.ptr<float>()});
            });
  column_sums(ctx, dy, mode, dbias);
}

void direct_linear_fwd(Context& ctx, const Tensor& x, const Tensor& w, const Tensor& bias,
                       std::uint64_t w_version, Tensor& y) {
  Tensor out = as_image(y);
  direct_conv_fwd(ctx, {}, as_image(x), as_image(w), bias, w_version, out);
}

void direct_linear_bwd_data(Context& ctx, const Tensor& dy, const Tensor& w,
                            std::uint64_t w_version, GradMode mode, Tensor& dx) {
  Tensor out = as_image(dx);
  direct_conv_bwd_data(ctx, {}, as_image(dy), as_image(w), w_version, mode, out);
}

void direct_linear_bwd_weight(Context& ctx, const Tensor& x, const Tensor& dy, GradMode mode,
                              Tensor& dw, Tensor& dbias) {
  Tensor out = as_image(dw);
  direct_conv_bwd_weight(ctx, {}, as_image(x), as_image(dy), mode, out, dbias);
}

}  // namespace graft::kernels::cuda
