// SPDX-License-Identifier: Apache-2.0
// Measured (Zen 5, AVX-512, one thread, N=128), direct-equivalent GFLOP/s forward, data with new
// weights at every call, in brackets oneDNN 2.6: 32x32x16 437, 441 (232, 258); 32x32x32 503, 513
// (246, 232); 16x16x32 687, 688 (294, 286); 16x16x64 717, 735 (289, 262); 8x8x64 759, 769 (324,
// 293); 8x8x128 763, 825 (314, 289), with kept weights 944, 955.
#include "kernels/cpu/winograd.h"

#include <algorithm>

#include "kernels/cpu/activation.h"
#include "kernels/cpu/kept_weights.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/plan_cache.h"

namespace graft::kernels::cpu {
namespace {

constexpr std::int64_t kFilter = 3;
constexpr int kMaxPad = 2;                  // every patch then sees the image
constexpr std::int64_t kMinTiles = 48;      // fewer do not pay for the transform of new filters
constexpr std::int64_t kMinTilesKept = 8;   // fewer do not pay for reading four times the weights
constexpr double kMaxWaste = 1.5;           // outputs computed for one that is wanted
constexpr std::int64_t kTilesAThread = 12;  // rows that the loops take at a time

std::int64_t tiles_along(std::int64_t side) {
  return (side + simd::kWinogradTile - 1) / simd::kWinogradTile;
}
/// Tiles of an image of outputs.
std::int64_t tiles_of(const Shape& image) {
  return image[0] * tiles_along(image[1]) * tiles_along(image[2]);
}

/// `x`, `y`: of the forward; or the gradients of y and x, which its backward convolves.
const char* why_not(const ConvOptions& o, const Tensor& x, const Tensor& w, const Tensor& y,
                    std::int64_t min_tiles) {
  const Shape &s = w.shape(), &image = y.shape();
  if (x.dtype() != DType::kF32) return "dtype is not f32";
  if (simd::winograd() == nullptr) return "no AVX-512";
  if (s[1] != kFilter || s[2] != kFilter) return "not 3x3";
  if (o.stride != 1 || o.dilation != 1) return "stride or dilation";
  if (o.groups != 1) return "groups";
  if (std::max({o.pad_top, o.pad_left, o.pad_bottom, o.pad_right}) > kMaxPad) return "padding";
  if (s[0] % simd::kChannelLanes != 0 || s[3] % simd::kChannelLanes != 0) {
    return "channels not multiples of 16";
  }
  const std::int64_t tiles = tiles_of(image);
  if (tiles < min_tiles) return "too few tiles";
  const auto computed = static_cast<double>(tiles * simd::kWinogradTile * simd::kWinogradTile);
  const auto wanted = static_cast<double>(image[0] * image[1] * image[2]);
  return computed > kMaxWaste * wanted ? "tiles mostly outside the image" : nullptr;
}

void transform(Context& ctx, const simd::WinogradGeometry& g, const Tensor& w, bool rotated,
               float* u) {
  const std::int64_t block = simd::winograd()->filter_floats(g) / (g.k / simd::kChannelLanes);
  parallel_rows(ctx, g.k / simd::kChannelLanes, block, [&](std::int64_t begin, std::int64_t end) {
    simd::winograd()->filters(g, w.ptr<const float>(), rotated, u, begin, end);
  });
}

simd::WinogradGeometry geometry(const Shape& x, const Shape& y, int pad_top, int pad_left) {
  return {.h = x[1],
          .w = x[2],
          .c = x[3],
          .p = y[1],
          .q = y[2],
          .k = y[3],
          .pad_top = pad_top,
          .pad_left = pad_left};
}

/// Convolves `x` with w, or (rotated) with the filters that give the gradient of w's input.
void run(Context& ctx, const simd::WinogradGeometry& g, const Tensor& x, const Tensor& w,
         bool rotated, std::uint64_t w_version, const simd::ConvOutput& output,
         std::int64_t tiles) {
  struct Filters;  // the tag of the transformed weights kept here
  const auto& loops = *simd::winograd();
  const std::int64_t filter_floats = loops.filter_floats(g);
  const std::int64_t scratch_floats = loops.scratch_floats(g);
  Scratch scratch;
  const auto temporary = scratch.array<float>(w_version == 0 ? filter_floats : 0);
  const auto work = scratch.array<float>(ctx.threads() * scratch_floats);
  scratch.open(ctx);
  const float* u = temporary.get();
  if (w_version == 0) {
    transform(ctx, g, w, rotated, temporary.get());
  } else {
    u = ctx.state<KeptWeights<Filters>>().get(
        ctx, w, rotated ? 1 : 0, filter_floats, w_version,
        [&](float* to) { transform(ctx, g, w, rotated, to); });
  }
  const auto* from = x.ptr<const float>();
  const std::int64_t panels = loops.panels(g);
  if (tiles >= kTilesAThread * ctx.threads()) {
    parallel_threads(ctx, tiles, kTilesAThread, kTilesAThread,
                     [&](std::int64_t begin, std::int64_t end, int thread) {
                       loops.forward(g, from, u, output, work.get() + thread * scratch_floats,
                                     begin, end, 0, panels);
                     });
    return;
  }
  parallel_threads(ctx, panels, 1, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
    loops.forward(g, from, u, output, work.get() + thread * scratch_floats, 0, tiles, begin, end);
  });
}

}  // namespace

const char* winograd_fwd_why_not(const ConvOptions& options, const Tensor& x, const Tensor& w,
                                 const Tensor&, std::uint64_t, Tensor& y) {
  return why_not(options, x, w, y, kMinTiles);
}

const char* winograd_bwd_data_why_not(const ConvOptions& options, const Tensor& dy, const Tensor& w,
                                      std::uint64_t, GradMode, Tensor& dx) {
  return why_not(options, dy, w, dx, kMinTiles);
}

void winograd_fwd(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& w,
                  const Tensor& bias, std::uint64_t w_version, Tensor& y) {
  winograd_fused_fwd(ctx, options, Activation::kNone, x, w, bias, Tensor(), w_version, y);
}

void winograd_bwd_data(Context& ctx, const ConvOptions& o, const Tensor& dy, const Tensor& w,
                       std::uint64_t w_version, GradMode mode, Tensor& dx) {
  const Bounds all = bounds_of(Activation::kNone);
  auto* to = dx.ptr<float>();
  run(ctx, geometry(dy.shape(), dx.shape(), kMaxPad - o.pad_top, kMaxPad - o.pad_left), dy, w,
      /*rotated=*/true, w_version,
      {nullptr, mode == GradMode::kAccumulate ? to : nullptr, all.lo, all.hi, to},
      tiles_of(dx.shape()));
}

const char* winograd_fused_fwd_why_not(const ConvOptions& options, Activation, const Tensor& x,
                                       const Tensor& w, const Tensor&, const Tensor&,
                                       std::uint64_t w_version, Tensor& y) {
  return why_not(options, x, w, y, w_version == 0 ? kMinTiles : kMinTilesKept);
}

void winograd_fused_fwd(Context& ctx, const ConvOptions& o, Activation act, const Tensor& x,
                        const Tensor& w, const Tensor& bias, const Tensor& residual,
                        std::uint64_t w_version, Tensor& y) {
  const Bounds bounds = bounds_of(act);
  run(ctx, geometry(x.shape(), y.shape(), o.pad_top, o.pad_left), x, w, /*rotated=*/false,
      w_version,
      {bias.ptr<const float>(), residual.ptr<const float>(), bounds.lo, bounds.hi, y.ptr<float>()},
      tiles_of(y.shape()));
}

}  // namespace graft::kernels::cpu
