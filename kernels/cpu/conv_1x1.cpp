// SPDX-License-Identifier: Apache-2.0
// Measured (Zen 5, AVX-512, one thread, N=128), ms forward, data, weights, in brackets oneDNN 2.6's
// convolution: 32x32 96 to 24 channels 4.9 (6.0), 2.8 (3.3), 3.7 (5.9); 16x16 144 to 32 1.4 (2.2),
// 1.3 (1.4), 1.5 (3.0); 16x16 32 to 192 1.8 (1.8), 2.0 (2.2), 2.2 (4.2); 4x4 160 to 960 2.4 (2.8),
// 2.5 (2.8), 2.6 (3.3); 32x32 16 to 96 2.4 (2.5), 3.6 (2.3), 3.6 (4.4).
// Fused form, GFLOP/s of 277, N=1: 56x56 64 to 256 with residual 250 (225), 128 to 128 263 (264);
// 14x14 256 to 1024 with residual 256 (239), 512 to 512 261 (261); 7x7 512 to 2048 with residual
// 253 (230); N=8: 56x56 64 to 256 with residual 155 (95). With 16 channels 186-212 (215-224).
// Two threads, N=1: 14x14 512 to 512 496-515, 256 to 512 494-505, 7x7 1024 to 1024 482-498.
#include "kernels/cpu/conv_1x1.h"

#include <algorithm>

#include "kernels/cpu/activation.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/kept_weights.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels::cpu {
namespace {

// Below, the product for dx is so narrow that the convolution is faster.
constexpr std::int64_t kMinChannelsOfDx = 24;

// Up to here oneDNN's convolution is faster than the fused product.
constexpr std::int64_t kFewChannels = 16;
constexpr std::int64_t kMultiplyAddsAThread = 100'000;

const char* why_not_any_stride(const ConvOptions& o, const Tensor& x, const Tensor& w) {
  if (x.dtype() != DType::kF32) return "dtype is not f32";
  if (w.shape()[1] != 1 || w.shape()[2] != 1) return "not 1x1";
  if (o.groups != 1) return "groups";
  if (o.pad_top + o.pad_left + o.pad_bottom + o.pad_right != 0) return "padding";
  return nullptr;
}

const char* why_not(const ConvOptions& o, const Tensor& x, const Tensor& w) {
  return o.stride != 1 ? "stride" : why_not_any_stride(o, x, w);
}

/// The pixels of x that a 1x1 convolution into y reads, one after the other.
void gather_pixels(Context& ctx, const Tensor& x, const Shape& y, int stride, float* to) {
  const Shape& s = x.shape();
  const std::int64_t c = s[3], q = y[2];
  const auto* from = x.ptr<const float>();
  parallel_rows(ctx, y[0] * y[1], q * c, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* pixel = from + (row / y[1] * s[1] + row % y[1] * stride) * s[2] * c;
      for (std::int64_t i = 0; i < q; ++i) {
        std::copy_n(pixel + i * stride * c, c, to + (row * q + i) * c);
      }
    }
  });
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

const char* conv_1x1_fused_fwd_why_not(const ConvOptions& options, Activation, const Tensor& x,
                                       const Tensor& w, const Tensor&, const Tensor&, std::uint64_t,
                                       Tensor&) {
  if (simd::conv_1x1() == nullptr) return "no AVX-512";
  if (std::min(w.shape()[0], w.shape()[3]) <= kFewChannels) return "few channels";
  return why_not_any_stride(options, x, w);
}

void conv_1x1_fused_fwd(Context& ctx, const ConvOptions& options, Activation act, const Tensor& x,
                        const Tensor& w, const Tensor& bias, const Tensor& residual,
                        std::uint64_t w_version, Tensor& y) {
  struct Packed;  // the tag of the weights kept here
  const auto& loops = *simd::conv_1x1();
  const std::int64_t c = x.shape()[3], k = y.shape()[3];
  const simd::Conv1x1Geometry g = {.rows = y.numel() / k, .c = c, .k = k, .threads = ctx.threads()};
  const std::int64_t floats = loops.packed_floats(g);
  Scratch scratch;
  const auto temporary = scratch.array<float>(w_version == 0 ? floats : 0);
  const auto pixels = scratch.array<float>(options.stride > 1 ? g.rows * c : 0);
  scratch.open(ctx);
  const auto pack = [&](float* to) { loops.pack(g, w.ptr<const float>(), to); };
  const float* packed = temporary.get();
  if (w_version == 0) {
    pack(temporary.get());
  } else {
    packed = ctx.state<KeptWeights<Packed>>().get(ctx, w, 0, floats, w_version, pack);
  }
  const auto* from = x.ptr<const float>();
  if (options.stride > 1) {
    gather_pixels(ctx, x, y.shape(), options.stride, pixels.get());
    from = pixels.get();
  }
  const Bounds bounds = bounds_of(act);
  const simd::ConvOutput output = {bias.ptr<const float>(), residual.ptr<const float>(), bounds.lo,
                                   bounds.hi, y.ptr<float>()};
  const std::int64_t units = loops.units(g);
  parallel_ranges(ctx, units, units * kMultiplyAddsAThread / (g.rows * c * k), 1,
                  [&](std::int64_t begin, std::int64_t end) {
                    loops.forward(g, from, packed, output, begin, end);
                  });
}

}  // namespace graft::kernels::cpu
