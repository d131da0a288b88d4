// SPDX-License-Identifier: Apache-2.0
// Measured (Zen 5, AVX-512, one thread, N=128), ms forward, data, weights, in brackets oneDNN 2.6's
// convolution: 32x32 96 to 24 channels 4.9 (6.0), 2.8 (3.3), 3.7 (5.9); 16x16 144 to 32 1.4 (2.2),
// 1.3 (1.4), 1.5 (3.0); 16x16 32 to 192 1.8 (1.8), 2.0 (2.2), 2.2 (4.2); 4x4 160 to 960 2.4 (2.8),
// 2.5 (2.8), 2.6 (3.3); 32x32 16 to 96 2.4 (2.5), 3.6 (2.3), 3.6 (4.4).
#include "kernels/cpu/conv_1x1.h"

#include "kernels/cpu/cpu.h"

namespace graft::kernels::cpu {
namespace {

// Below, the product for dx is so narrow that the convolution is faster.
constexpr std::int64_t kMinChannelsOfDx = 24;

const char* why_not(const ConvOptions& o, const Tensor& x, const Tensor& w) {
  if (x.dtype() != DType::kF32) return "dtype is not f32";
  if (w.shape()[1] != 1 || w.shape()[2] != 1) return "not 1x1";
  if (o.stride != 1 || o.groups != 1) return "stride or groups";
  if (o.pad_top + o.pad_left + o.pad_bottom + o.pad_right != 0) return "padding";
  return nullptr;
}

/// (N,H,W,C) as (N*H*W, C), and (K,1,1,C) as (K,C).
Tensor matrix(const Tensor& t) {
  const std::int64_t c = t.shape()[3];
  return t.reshape({t.numel() / c, c});
}

}  // namespace

const char* conv_1x1_fwd_why_not(const ConvOptions& options, const Tensor& x, const Tensor& w,
                                 const Tensor&, std::uint64_t, Tensor&) {
  return why_not(options, x, w);
}

const char* conv_1x1_bwd_data_why_not(const ConvOptions& options, const Tensor&, const Tensor& w,
                                      std::uint64_t, GradMode, Tensor& dx) {
  return dx.shape()[3] < kMinChannelsOfDx ? "few channels" : why_not(options, dx, w);
}

const char* conv_1x1_bwd_weight_why_not(const ConvOptions& options, const Tensor& x, const Tensor&,
                                        GradMode, Tensor& dw, Tensor& dbias) {
  return dbias.empty() ? why_not(options, x, dw) : "dbias is wanted";
}

void conv_1x1_fwd(Context& ctx, const ConvOptions&, const Tensor& x, const Tensor& w,
                  const Tensor& bias, std::uint64_t w_version, Tensor& y) {
  Tensor out = matrix(y);
  cpu::linear_fwd(ctx, matrix(x), matrix(w), bias, w_version, out);
}

void conv_1x1_bwd_data(Context& ctx, const ConvOptions&, const Tensor& dy, const Tensor& w,
                       std::uint64_t w_version, GradMode mode, Tensor& dx) {
  Tensor out = matrix(dx);
  cpu::linear_bwd_data(ctx, matrix(dy), matrix(w), w_version, mode, out);
}

void conv_1x1_bwd_weight(Context& ctx, const ConvOptions&, const Tensor& x, const Tensor& dy,
                         GradMode mode, Tensor& dw, Tensor& dbias) {
  Tensor out = matrix(dw);
  cpu::linear_bwd_weight(ctx, matrix(x), matrix(dy), mode, out, dbias);
}

}  // namespace graft::kernels::cpu
