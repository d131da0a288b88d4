// SPDX-License-Identifier: Apache-2.0
// Measured (Zen 4, one thread, N=128), GOP/s, of 450 at most: 32x32x16 355; 32x32x16 to 32 with
// stride 2 311; 16x16x32 386; 8x8x64 415; first layer 178.
#include "kernels/cpu/int8_conv.h"

#include <algorithm>

#include "kernels/cpu/int8_types.h"
#include "kernels/cpu/kept_buffer.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/plan_cache.h"

namespace graft::kernels::cpu {
namespace {

constexpr std::size_t kMaxFilters = 512;
constexpr std::int64_t kPointwiseRow = 48;  // about as many pixels of a 1x1 convolution make a row
constexpr std::int64_t kMultiplyAddsAThread = 1'000'000;
constexpr std::int64_t kBlock = 16;  // channels that the loops take at a time

/// Packed filters, kept per context.
class Int8ConvState {
 public:
  explicit Int8ConvState(Context&) : filters_(kMaxFilters) {}

  struct Filters {
    KeptBuffer packed, row_sum;
    std::uint64_t version = 0;
  };
  /// Those of the weights at `w`; new ones have version 0.
  [[nodiscard]] Filters& filters(Context& ctx, const Tensor& w, std::int64_t bytes) {
    const auto address = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(w.data()));
    const Shape& s = w.shape();
    return filters_.get({address, s[0], s[1], s[2], s[3]}, [&] {
      Filters made;
      made.packed = KeptBuffer(ctx, bytes);
      made.row_sum = KeptBuffer(ctx, s[0] * static_cast<std::int64_t>(sizeof(std::int32_t)));
      return made;
    });
  }

 private:
  PlanCache<5, Filters> filters_;
};

simd::Int8ConvGeometry geometry(const ConvOptions& o, const Shape& x, const Shape& w,
                                const Shape& y) {
  return {.h = x[1],
          .w = x[2],
          .c = x[3],
          .p = y[1],
          .q = y[2],
          .k = y[3],
          .r = w[1],
          .s = w[2],
          .stride = o.stride,
          .pad_top = o.pad_top,
          .pad_left = o.pad_left};
}

bool is_pointwise(const ConvOptions& o, const Shape& w) {
  return w[1] == 1 && w[2] == 1 && o.stride == 1 &&
         o.pad_top + o.pad_bottom + o.pad_left + o.pad_right == 0;
}

/// Whether threads share the filters instead of the rows: where these are most of what is read, so
/// that each is read by one thread only, and can be dealt out about equally.
bool shares_filters(const Context& ctx, const simd::Int8ConvGeometry& g, std::int64_t x_bytes) {
  constexpr std::int64_t kManyPanels = 4;
  const std::int64_t panels = simd::int8_conv()->panels(g), threads = ctx.threads();
  const bool equal = panels % threads == 0 || panels >= kManyPanels * threads;
  return threads > 1 && equal && g.k * g.r * g.s * g.c > x_bytes;
}

struct Work {
  std::uint8_t* scratch;
  std::int64_t scratch_bytes;  ///< of a thread
  bool shares_filters;
};

void run(Context& ctx, const simd::Int8ConvGeometry& g, std::int64_t n,
         const simd::Int8ConvArgs& args, const Work& work) {
  const auto& loops = *simd::int8_conv();
  const std::int64_t bands = n * loops.bands(g), panels = loops.panels(g);
  const std::int64_t units = work.shares_filters ? panels : bands;
  const std::int64_t per_unit = n * g.p * g.q * g.k * g.r * g.s * g.c / units;
  parallel_threads(ctx, units, kMultiplyAddsAThread / std::max<std::int64_t>(per_unit, 1), 1,
                   [&](std::int64_t begin, std::int64_t end, int thread) {
                     std::uint8_t* scratch = work.scratch + thread * work.scratch_bytes;
                     if (work.shares_filters) {
                       loops.forward(g, args, scratch, 0, bands, begin, end);
                     } else {
                       loops.forward(g, args, scratch, begin, end, 0, panels);
                     }
                   });
}

/// Pixels of a row: all rows but the last are equally long, and every thread has one.
std::int64_t row_of(std::int64_t pixels, int threads) {
  const std::int64_t rows =
      std::clamp<std::int64_t>((pixels + kPointwiseRow / 2) / kPointwiseRow,
                               std::min<std::int64_t>(threads, pixels), pixels);
  return (pixels + rows - 1) / rows;
}

/// A 1x1 convolution has no rows: rows of g.q pixels, then what is left.
void run_pointwise(Context& ctx, simd::Int8ConvGeometry g, std::int64_t pixels,
                   simd::Int8ConvArgs args, std::size_t y_bytes, std::size_t residual_bytes,
                   const Work& work) {
  const std::int64_t row = g.q, rows = pixels / row, rest = pixels % row;
  if (rows > 0) run(ctx, g, rows, args, work);
  if (rest == 0) return;
  const std::int64_t done = rows * row;
  args.x += done * g.c;
  const auto skip = [&](auto* p, std::size_t bytes) {
    return static_cast<decltype(p)>(
        static_cast<std::byte*>(const_cast<void*>(static_cast<const void*>(p))) +
        static_cast<std::size_t>(done * g.k) * bytes);
  };
  args.y = skip(args.y, y_bytes);
  if (args.residual != nullptr) args.residual = skip(args.residual, residual_bytes);
  g.w = g.q = rest;
  run(ctx, g, 1, args, work);
}

}  // namespace

const char* conv_int8_fwd_why_not(const Int8ConvOptions& options, const Tensor&, const Tensor&,
                                  const Tensor&, const Tensor&, const Tensor&, std::uint64_t,
                                  Tensor&) {
  if (simd::int8_conv() == nullptr) return "no AVX-512 VNNI";
  if (options.conv.groups != 1) return "groups";
  return options.conv.stride > 2 || options.conv.dilation != 1 ? "stride or dilation" : nullptr;
}

void conv_int8_fwd(Context& ctx, const Int8ConvOptions& o, const Tensor& x, const Tensor& w,
                   const Tensor& w_scale, const Tensor& bias, const Tensor& residual,
                   std::uint64_t w_version, Tensor& y) {
  const auto& loops = *simd::int8_conv();
  auto g = geometry(o.conv, x.shape(), w.shape(), y.shape());
  const bool pointwise = is_pointwise(o.conv, w.shape());
  const bool by_filters = shares_filters(ctx, g, x.numel());
  if (pointwise) {
    g.h = g.p = 1;
    g.w = g.q = row_of(y.numel() / g.k, by_filters ? 1 : ctx.threads());
    g.in_place = x.dtype() == DType::kU8 && g.c % kBlock == 0;
  } else if (!by_filters && x.shape()[0] % ctx.threads() != 0) {
    g.share = ctx.threads();
  }
  const std::int64_t padded =
      (g.k + simd::kChannelLanes - 1) / simd::kChannelLanes * simd::kChannelLanes;
  const std::int64_t packed_bytes = loops.packed_bytes(g), scratch_bytes = loops.scratch_bytes(g);
  Scratch scratch;
  const auto start = scratch.array<std::int32_t>(padded);
  const auto scale = scratch.array<float>(padded), shift = scratch.array<float>(padded);
  const auto work = scratch.array<std::uint8_t>(ctx.threads() * scratch_bytes);
  scratch.open(ctx);
  auto& filters = ctx.state<Int8ConvState>().filters(ctx, w, packed_bytes);
  auto* packed = static_cast<std::int8_t*>(filters.packed.data());
  auto* row_sum = static_cast<std::int32_t*>(filters.row_sum.data());
  if (filters.version != w_version || w_version == 0) {
    loops.pack(g, w.ptr<const std::int8_t>(), packed, row_sum);
    filters.version = w_version;
  }
  fill_scales(o, x, w_scale, bias, scale_of(y, o.y_scale), row_sum, padded, start.get(),
              scale.get(), shift.get());
  const auto args = int8_args(o, x, packed, start.get(), scale.get(), shift.get(), residual, y);
  if (pointwise) {
    run_pointwise(ctx, g, y.numel() / g.k, args, size_of(y.dtype()), size_of(residual.dtype()),
                  {work.get(), scratch_bytes, by_filters});
  } else {
    run(ctx, g, x.shape()[0], args, {work.get(), scratch_bytes, by_filters});
  }
}

}  // namespace graft::kernels::cpu
