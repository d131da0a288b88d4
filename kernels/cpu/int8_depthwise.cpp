// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/int8_depthwise.h"

#include <algorithm>

#include "kernels/cpu/int8_types.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

namespace graft::kernels::cpu {
namespace {

constexpr std::int64_t kFilter = 3, kPackedBytes = 12;

}  // namespace

const char* depthwise_int8_fwd_why_not(const Int8ConvOptions& o, const Tensor&, const Tensor& w,
                                       const Tensor&, const Tensor&, const Tensor&, std::uint64_t,
                                       Tensor&) {
  const Shape& s = w.shape();
  if (simd::int8_depthwise() == nullptr) return "no AVX-512 VNNI";
  if (s[3] != 1 || s[0] != o.conv.groups) return "not depthwise";
  if (s[1] != kFilter || s[2] != kFilter) return "not 3x3";
  if (s[0] % simd::kChannelLanes != 0) return "channels not a multiple of 16";
  return o.conv.stride > 2 || o.conv.dilation != 1 ? "stride or dilation" : nullptr;
}

void depthwise_int8_fwd(Context& ctx, const Int8ConvOptions& o, const Tensor& x, const Tensor& w,
                        const Tensor& w_scale, const Tensor& bias, const Tensor& residual,
                        std::uint64_t, Tensor& y) {
  const auto& loops = *simd::int8_depthwise();
  const simd::DepthwiseGeometry g = {.h = x.shape()[1],
                                     .w = x.shape()[2],
                                     .c = x.shape()[3],
                                     .p = y.shape()[1],
                                     .q = y.shape()[2],
                                     .stride = o.conv.stride,
                                     .pad_top = o.conv.pad_top,
                                     .pad_left = o.conv.pad_left};
  Scratch scratch;
  const auto packed = scratch.array<std::int8_t>(kPackedBytes * g.c);
  const auto sums = scratch.array<std::int32_t>(g.c), start = scratch.array<std::int32_t>(g.c);
  const auto scale = scratch.array<float>(g.c), shift = scratch.array<float>(g.c);
  const auto zeros = scratch.array<std::uint8_t>(g.w * g.c);
  scratch.open(ctx);
  loops.pack(g.c, w.ptr<const std::int8_t>(), packed.get(), sums.get());
  std::fill_n(zeros.get(), g.w * g.c, std::uint8_t{0});
  fill_scales(o, x, w_scale, bias, scale_of(y, o.y_scale), sums.get(), g.c, start.get(),
              scale.get(), shift.get());
  const auto args =
      int8_args(o, x, packed.get(), start.get(), scale.get(), shift.get(), residual, y);
  parallel_rows(ctx, x.shape()[0] * g.p, g.q * g.c, [&](std::int64_t begin, std::int64_t end) {
    loops.forward(g, args, zeros.get(), begin, end);
  });
}

}  // namespace graft::kernels::cpu
