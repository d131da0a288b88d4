// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/parallel.h"

namespace graft::kernels::cpu {
namespace {

constexpr std::int64_t kChannels = 3;

struct Size {
  std::int64_t h, w;
};

/// One output row of q pixels from `row`, the source row, or black where it is null. Pixel q
/// comes from column first + step * q.
void convert_row(const ImageTable& table, const std::uint8_t* row, std::int64_t first,
                 std::int64_t step, std::int64_t width, std::int64_t q, float* y) {
  for (std::int64_t i = 0; i < q; ++i) {
    const std::int64_t iw = first + step * i;
    const bool inside = row != nullptr && iw >= 0 && iw < width;
    for (std::int64_t c = 0; c < kChannels; ++c) {
      y[i * kChannels + c] = table.value[c][inside ? row[iw * kChannels + c] : 0];
    }
  }
}

void convert_image(const ImageTransform& t, const ImageTable& table, const Size& from,
                   const Size& to, const std::uint8_t* x, float* y) {
  const std::int64_t first = t.left + (t.flip != 0 ? to.w - 1 : 0), step = t.flip != 0 ? -1 : 1;
  const std::int64_t cut_begin = std::clamp<std::int64_t>(t.cut_x0, 0, to.w);
  const std::int64_t cut_end = std::clamp<std::int64_t>(t.cut_x1, cut_begin, to.w);
  for (std::int64_t p = 0; p < to.h; ++p) {
    const std::int64_t ih = t.top + p;
    const std::uint8_t* row = ih >= 0 && ih < from.h ? x + ih * from.w * kChannels : nullptr;
    float* out = y + p * to.w * kChannels;
    convert_row(table, row, first, step, from.w, to.w, out);
    if (p >= t.cut_y0 && p < t.cut_y1) {
      std::fill(out + cut_begin * kChannels, out + cut_end * kChannels, 0.0f);
    }
  }
}

}  // namespace

void u8_to_float(Context& ctx, std::span<const ImageTransform> transform, const ImageTable& table,
                 const Tensor& x, Tensor& y) {
  const Size from = {x.shape()[1], x.shape()[2]}, to = {y.shape()[1], y.shape()[2]};
  const std::int64_t in = x.shape().row_numel(), out = y.shape().row_numel();
  const auto* xs = x.ptr<const std::uint8_t>();
  auto* ys = y.ptr<float>();
  parallel_rows(ctx, x.shape()[0], out, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      convert_image(transform[static_cast<std::size_t>(n)], table, from, to, xs + n * in,
                    ys + n * out);
    }
  });
}

}  // namespace graft::kernels::cpu
