// SPDX-License-Identifier: Apache-2.0
// Measured (Zen 5, AVX-512, one thread, N=128), ms forward, data, weights, in brackets oneDNN 2.6:
// 32x32x96 3.7 (6.2), 3.8 (8.1), 3.6 (7.3); 16x16x192 1.5 (2.8), 1.5 (4.4), 1.5 (3.9); 8x8x384
// 0.7 (1.3), 0.7 (1.7), 0.7 (1.5); 4x4x960 0.46 (0.42), 0.45 (1.1), 0.52 (0.43); 32x32x144 with
// stride 2 4.3 (3.9), 2.9 (5.9), 4.2 (4.8). A copy of 32x32x96 takes 2.3. The forward by blocks of
// 2x7 outputs is newer; N=1, us, in brackets row by row: 112x112x32 49 (72), 56x56x128 46 (84),
// 28x28x256 27 (45), 14x14x512 17 (27), 7x7x1024 11 (19); stride 2: 112x112x64 46 (57), 56x56x128
// 27 (35).
// In bf16 with f32 weights, N=1, us, in brackets oneDNN 2.6 with bf16 weights: 112x112x32 59 (62),
// 56x56x128 53 (61), 14x14x512 13 (16), stride 2 112x112x64 42 (36), 56x56x128 22 (18): as fast
// over a network, and nearer to f32.
#include "kernels/cpu/depthwise.h"

#include <algorithm>

#include "kernels/cpu/activation.h"
#include "kernels/cpu/float_types.h"
#include "kernels/cpu/kept_weights.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels::cpu {
namespace {

constexpr std::int64_t kFilter = 3;
constexpr std::int64_t kTaps = kFilter * kFilter;
constexpr std::int64_t kMaxPad = kFilter - 1;  // every output then has a tap in every direction
constexpr std::int64_t kMaxStride = 2;

const char* why_not_shape(const ConvOptions& o, const Tensor& w) {
  const Shape& s = w.shape();
  if (s[3] != 1 || s[0] != o.groups) return "not depthwise";
  if (s[1] != kFilter || s[2] != kFilter) return "not 3x3";
  if (s[0] % simd::kChannelLanes != 0) return "channels not a multiple of 16";
  if (o.dilation != 1 || o.stride > kMaxStride) return "dilation or stride";
  if (std::max({o.pad_top, o.pad_left, o.pad_bottom, o.pad_right}) > kMaxPad) return "padding";
  return nullptr;
}

const char* why_not(const ConvOptions& o, const Tensor& x, const Tensor& w) {
  return x.dtype() != DType::kF32 ? "dtype is not f32" : why_not_shape(o, w);
}

/// Of the forward, which takes bf16 images beside f32 weights: nine of them are read for each.
const char* why_not_forward(const ConvOptions& o, const Tensor& x, const Tensor& w,
                            const Tensor& y) {
  if (x.dtype() != DType::kBF16) return why_not(o, x, w);
  if (simd::depthwise().forward_bf16 == nullptr) return "no AVX-512";
  if (w.dtype() != DType::kF32 || y.dtype() != DType::kBF16) return "dtypes differ";
  return why_not_shape(o, w);
}

simd::DepthwiseGeometry geometry(const ConvOptions& o, const Shape& x, const Shape& y) {
  return {.h = x[1],
          .w = x[2],
          .c = x[3],
          .p = y[1],
          .q = y[2],
          .stride = o.stride,
          .pad_top = o.pad_top,
          .pad_left = o.pad_left};
}

/// Place in (3,3,C) order of tap t, or of the tap opposite to it.
std::int64_t tap_place(std::int64_t t, bool flipped) { return flipped ? kTaps - 1 - t : t; }

/// (C,3,3) to (3,3,C), rotated by half a turn if `flipped`.
void taps_first(const float* w, std::int64_t c, bool flipped, float* out) {
  for (std::int64_t t = 0; t < kTaps; ++t) {
    for (std::int64_t j = 0; j < c; ++j) out[tap_place(t, flipped) * c + j] = w[j * kTaps + t];
  }
}

/// Floats that run_forward() needs: zeros, and a sink for each thread.
std::int64_t spare_floats(const Context& ctx, std::int64_t c) { return (1 + ctx.threads()) * c; }

/// `bias`: null for none. `forward`: the loop for images of T.
template <class T, class Forward>
void run_forward(Context& ctx, Forward forward, const simd::DepthwiseGeometry& g, std::int64_t n,
                 const T* x, const float* w, const float* bias, const Bounds& bounds, float* spare,
                 T* y) {
  std::fill_n(spare, g.c, 0.0F);  // bytes of 0 are zeros of any T
  if (bias == nullptr) bias = spare;
  parallel_threads(ctx, n * g.p, kGrainElements / (g.q * g.c), 1,
                   [&](std::int64_t begin, std::int64_t end, int thread) {
                     forward(g, x, w, bias, bounds.lo, bounds.hi, y,
                             reinterpret_cast<const T*>(spare),
                             reinterpret_cast<T*>(spare + (1 + thread) * g.c), begin, end);
                   });
}

/// Examples whose products are summed in f32 before they join the f64 total. A fixed partition: any
/// thread count gives the same bits.
std::int64_t examples_a_block(const simd::DepthwiseGeometry& g, std::int64_t n) {
  constexpr std::int64_t kPixels = 1024, kMinBlocks = 16;
  return std::clamp<std::int64_t>(kPixels / (g.p * g.q), 1, (n + kMinBlocks - 1) / kMinBlocks);
}

}  // namespace

const char* depthwise_fwd_why_not(const ConvOptions& options, const Tensor& x, const Tensor& w,
                                  const Tensor&, std::uint64_t, Tensor& y) {
  return why_not_forward(options, x, w, y);
}

const char* depthwise_bwd_data_why_not(const ConvOptions& options, const Tensor&, const Tensor& w,
                                       std::uint64_t, GradMode mode, Tensor& dx) {
  return mode == GradMode::kAccumulate ? "accumulates" : why_not(options, dx, w);
}

const char* depthwise_bwd_weight_why_not(const ConvOptions& options, const Tensor& x, const Tensor&,
                                         GradMode mode, Tensor& dw, Tensor& dbias) {
  if (mode == GradMode::kAccumulate) return "accumulates";
  return dbias.empty() ? why_not(options, x, dw) : "dbias is wanted";
}

void depthwise_fwd(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& w,
                   const Tensor& bias, std::uint64_t w_version, Tensor& y) {
  depthwise_fused_fwd(ctx, options, Activation::kNone, x, w, bias, Tensor(), w_version, y);
}

const char* depthwise_fused_fwd_why_not(const ConvOptions& options, Activation, const Tensor& x,
                                        const Tensor& w, const Tensor&, const Tensor& residual,
                                        std::uint64_t, Tensor& y) {
  return residual.empty() ? why_not_forward(options, x, w, y) : "residual";
}

void depthwise_fused_fwd(Context& ctx, const ConvOptions& options, Activation act, const Tensor& x,
                         const Tensor& w, const Tensor& bias, const Tensor&,
                         std::uint64_t w_version, Tensor& y) {
  struct Taps;  // the tag of the weights kept here
  const auto g = geometry(options, x.shape(), y.shape());
  Scratch scratch;
  const auto temporary = scratch.array<float>(w_version == 0 ? kTaps * g.c : 0);
  const auto spare = scratch.array<float>(spare_floats(ctx, g.c));
  scratch.open(ctx);
  const auto reorder = [&](float* to) { taps_first(w.ptr<const float>(), g.c, false, to); };
  const float* taps = temporary.get();
  if (w_version == 0) {
    reorder(temporary.get());
  } else {
    taps = ctx.state<KeptWeights<Taps>>().get(ctx, w, 0, kTaps * g.c, w_version, reorder);
  }
  const auto run = [&]<class T>(auto forward, const T* from, T* to) {
    run_forward(ctx, forward, g, x.shape()[0], from, taps, bias.ptr<const float>(), bounds_of(act),
                spare.get(), to);
  };
  if (x.dtype() == DType::kBF16) {
    run(simd::depthwise().forward_bf16, elements<const simd::Bf16>(x), elements<simd::Bf16>(y));
  } else {
    run(simd::depthwise().forward, x.ptr<const float>(), y.ptr<float>());
  }
}

void depthwise_bwd_data(Context& ctx, const ConvOptions& options, const Tensor& dy, const Tensor& w,
                        std::uint64_t, GradMode, Tensor& dx) {
  auto g = geometry(options, dx.shape(), dy.shape());
  const bool as_forward = options.stride == 1;
  Scratch scratch;
  const auto taps = scratch.array<float>(kTaps * g.c);
  const auto spare = scratch.array<float>(as_forward ? spare_floats(ctx, g.c) : 0);
  scratch.open(ctx);
  taps_first(w.ptr<const float>(), g.c, as_forward, taps.get());
  const auto* from = dy.ptr<const float>();
  auto* to = dx.ptr<float>();
  const std::int64_t n = dx.shape()[0];
  if (as_forward) {  // dx = conv(dy, w rotated by half a turn), padded by what the forward left
    std::swap(g.h, g.p);
    std::swap(g.w, g.q);
    g.pad_top = kMaxPad - g.pad_top;
    g.pad_left = kMaxPad - g.pad_left;
    run_forward(ctx, simd::depthwise().forward, g, n, from, taps.get(), nullptr,
                bounds_of(Activation::kNone), spare.get(), to);
    return;
  }
  parallel_rows(ctx, n * g.h, g.w * g.c, [&](std::int64_t begin, std::int64_t end) {
    simd::depthwise().backward_data(g, from, taps.get(), to, begin, end);
  });
}

void depthwise_bwd_weight(Context& ctx, const ConvOptions& options, const Tensor& x,
                          const Tensor& dy, GradMode, Tensor& dw, Tensor&) {
  const auto g = geometry(options, x.shape(), dy.shape());
  const std::int64_t n = x.shape()[0], size = kTaps * g.c;
  const std::int64_t per_block = examples_a_block(g, n), n_blocks = (n + per_block - 1) / per_block;
  Scratch scratch;
  const auto partial = scratch.array<float>(n_blocks * size);
  scratch.open(ctx);
  const auto *xs = x.ptr<const float>(), *dys = dy.ptr<const float>();
  parallel_rows(
      ctx, n_blocks, per_block * g.p * g.q * g.c, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t b = begin; b < end; ++b) {
          float* sums = partial.get() + b * size;
          std::fill_n(sums, size, 0.0f);
          const std::int64_t last = std::min(n, (b + 1) * per_block);
          simd::depthwise().backward_weight(g, xs, dys, sums, b * per_block * g.p, last * g.p);
        }
      });
  auto* out = dw.ptr<float>();
  parallel_rows(ctx, size, n_blocks, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      double sum = 0;
      for (std::int64_t b = 0; b < n_blocks; ++b) {
        sum += static_cast<double>(partial.get()[b * size + i]);
      }
      out[i % g.c * kTaps + i / g.c] = static_cast<float>(sum);
    }
  });
}

}  // namespace graft::kernels::cpu
