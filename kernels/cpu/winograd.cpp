// SPDX-License-Identifier: Apache-2.0
// Measured (Zen 5, AVX-512, one thread, N=128), direct-equivalent GFLOP/s forward, data with new
// weights at every call, in brackets oneDNN 2.6: 32x32x16 437, 441 (232, 258); 32x32x32 503, 513
// (246, 232); 16x16x32 687, 688 (294, 286); 16x16x64 717, 735 (289, 262); 8x8x64 759, 769 (324,
// 293); 8x8x128 763, 825 (314, 289), with kept weights 944, 955.
#include "kernels/cpu/winograd.h"

#include "kernels/cpu/activation.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/plan_cache.h"

namespace graft::kernels::cpu {
namespace {

constexpr std::int64_t kFilter = 3;
constexpr int kPad = 1;
constexpr std::int64_t kMinTiles = 48;      // fewer do not pay for the transform of new filters
constexpr double kMaxWaste = 1.5;           // outputs computed for one that is wanted
constexpr std::int64_t kTilesAThread = 12;  // rows that the loops take at a time
constexpr std::size_t kMaxFilters = 512;

std::int64_t tiles_along(std::int64_t side) {
  return (side + simd::kWinogradTile - 1) / simd::kWinogradTile;
}
std::int64_t tiles_of(const Shape& image) {
  return image[0] * tiles_along(image[1]) * tiles_along(image[2]);
}

const char* why_not(const ConvOptions& o, const Tensor& x, const Tensor& w) {
  const Shape &s = w.shape(), &image = x.shape();
  if (x.dtype() != DType::kF32) return "dtype is not f32";
  if (simd::winograd() == nullptr) return "no AVX-512";
  if (s[1] != kFilter || s[2] != kFilter) return "not 3x3";
  if (o.stride != 1 || o.dilation != 1) return "stride or dilation";
  if (o.groups != 1) return "groups";
  if (o.pad_top != kPad || o.pad_left != kPad || o.pad_bottom != kPad || o.pad_right != kPad) {
    return "padding is not 1";
  }
  if (s[0] % simd::kChannelLanes != 0 || s[3] % simd::kChannelLanes != 0) {
    return "channels not multiples of 16";
  }
  const std::int64_t tiles = tiles_of(image);
  if (tiles < kMinTiles) return "too few tiles";
  const auto computed = static_cast<double>(tiles * simd::kWinogradTile * simd::kWinogradTile);
  const auto wanted = static_cast<double>(image[0] * image[1] * image[2]);
  return computed > kMaxWaste * wanted ? "tiles mostly outside the image" : nullptr;
}

/// Transformed filters, kept per context.
class WinogradState {
 public:
  explicit WinogradState(Context&) : filters_(kMaxFilters) {}

  struct Filters {
    Buffer buffer;
    std::uint64_t version = 0;
  };
  /// Those of the weights at `w`; new ones have version 0.
  [[nodiscard]] Filters& filters(Context& ctx, const Tensor& w, bool rotated, std::int64_t floats) {
    const auto address = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(w.data()));
    return filters_.get({address, w.shape()[0], w.shape()[3], rotated ? 1 : 0}, [&] {
      Filters made;
      made.buffer = Buffer(ctx.memory(), static_cast<std::size_t>(floats) * sizeof(float));
      return made;
    });
  }

 private:
  PlanCache<4, Filters> filters_;
};

void transform(Context& ctx, const simd::WinogradGeometry& g, const Tensor& w, bool rotated,
               float* u) {
  const std::int64_t block = simd::winograd()->filter_floats(g) / (g.k / simd::kChannelLanes);
  parallel_rows(ctx, g.k / simd::kChannelLanes, block, [&](std::int64_t begin, std::int64_t end) {
    simd::winograd()->filters(g, w.ptr<const float>(), rotated, u, begin, end);
  });
}

/// Convolves `x` with w, or (rotated) with the filters that give the gradient of w's input.
void run(Context& ctx, const Tensor& x, const Tensor& w, bool rotated, std::uint64_t w_version,
         const simd::WinogradOutput& output, const Shape& y) {
  const auto& loops = *simd::winograd();
  const simd::WinogradGeometry g = {
      .h = x.shape()[1], .w = x.shape()[2], .c = x.shape()[3], .k = y[3]};
  const std::int64_t tiles = tiles_of(x.shape()), filter_floats = loops.filter_floats(g);
  const std::int64_t scratch_floats = loops.scratch_floats(g);
  Scratch scratch;
  const auto temporary = scratch.array<float>(w_version == 0 ? filter_floats : 0);
  const auto work = scratch.array<float>(ctx.threads() * scratch_floats);
  scratch.open(ctx);
  float* u = temporary.get();
  if (w_version == 0) {
    transform(ctx, g, w, rotated, u);
  } else {
    auto& kept = ctx.state<WinogradState>().filters(ctx, w, rotated, filter_floats);
    u = static_cast<float*>(kept.buffer.data());
    if (kept.version != w_version) {
      transform(ctx, g, w, rotated, u);
      kept.version = w_version;
    }
  }
  const auto* from = x.ptr<const float>();
  parallel_threads(ctx, tiles, kTilesAThread, kTilesAThread,
                   [&](std::int64_t begin, std::int64_t end, int thread) {
                     loops.forward(g, from, u, output, work.get() + thread * scratch_floats, begin,
                                   end);
                   });
}

}  // namespace

const char* winograd_fwd_why_not(const ConvOptions& options, const Tensor& x, const Tensor& w,
                                 const Tensor&, std::uint64_t, Tensor&) {
  return why_not(options, x, w);
}

const char* winograd_bwd_data_why_not(const ConvOptions& options, const Tensor&, const Tensor& w,
                                      std::uint64_t, GradMode, Tensor& dx) {
  return why_not(options, dx, w);
}

void winograd_fwd(Context& ctx, const ConvOptions& options, const Tensor& x, const Tensor& w,
                  const Tensor& bias, std::uint64_t w_version, Tensor& y) {
  winograd_fused_fwd(ctx, options, Activation::kNone, x, w, bias, Tensor(), w_version, y);
}

void winograd_bwd_data(Context& ctx, const ConvOptions&, const Tensor& dy, const Tensor& w,
                       std::uint64_t w_version, GradMode mode, Tensor& dx) {
  const Bounds all = bounds_of(Activation::kNone);
  auto* to = dx.ptr<float>();
  run(ctx, dy, w, /*rotated=*/true, w_version,
      {nullptr, mode == GradMode::kAccumulate ? to : nullptr, all.lo, all.hi, to}, dx.shape());
}

const char* winograd_fused_fwd_why_not(const ConvOptions& options, Activation, const Tensor& x,
                                       const Tensor& w, const Tensor&, const Tensor&, std::uint64_t,
                                       Tensor&) {
  return why_not(options, x, w);
}

void winograd_fused_fwd(Context& ctx, const ConvOptions&, Activation act, const Tensor& x,
                        const Tensor& w, const Tensor& bias, const Tensor& residual,
                        std::uint64_t w_version, Tensor& y) {
  const Bounds bounds = bounds_of(act);
  run(ctx, x, w, /*rotated=*/false, w_version,
      {bias.ptr<const float>(), residual.ptr<const float>(), bounds.lo, bounds.hi, y.ptr<float>()},
      y.shape());
}

}  // namespace graft::kernels::cpu
