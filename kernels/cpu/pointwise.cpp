// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>

#include "kernels/cpu/activation.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/float_types.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd/simd.h"

namespace graft::kernels::cpu {
namespace {

std::int64_t channels(const Tensor& t) { return t.shape()[t.shape().rank() - 1]; }

/// Channels [at, at + c) of rows of `width` floats, as a block of rows of c floats.
struct Columns {
  std::int64_t rows, width, at, c;
};

/// f(row of the wide tensor's columns, row of the narrow tensor) for all rows.
template <class F>
void for_column_rows(Context& ctx, const Columns& s, const F& f) {
  parallel_rows(ctx, s.rows, s.c, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) f(i * s.width + s.at, i * s.c);
  });
}

/// Visits the pixels that subsampling keeps: f(place in x, place in y of the first copied channel).
template <class F>
void for_kept_pixels(Context& ctx, int stride, const Shape& x, const Shape& y, const F& f) {
  const std::int64_t pad = (y[3] - x[3]) / 2;
  parallel_rows(ctx, y[0] * y[1], y[2] * y[3], [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t n = row / y[1], p = row % y[1];
      for (std::int64_t q = 0; q < y[2]; ++q) {
        f(((n * x[1] + p * stride) * x[2] + q * stride) * x[3], (row * y[2] + q) * y[3] + pad);
      }
    }
  });
}

void zero(Context& ctx, Tensor& t) {
  auto* data = t.ptr<float>();
  parallel_elements(ctx, t.numel(), [&](std::int64_t begin, std::int64_t end) {
    std::memset(data + begin, 0, static_cast<std::size_t>(end - begin) * sizeof(float));
  });
}

std::size_t float_bytes(std::int64_t count) {
  return static_cast<std::size_t>(count) * sizeof(float);
}

}  // namespace

void activation_fwd(Context& ctx, Activation act, const Tensor& x, Tensor& y) {
  const Bounds bounds = bounds_of(act);
  with_loops(x, simd::pointwise(), [&]<class T>(const simd::ForwardLoops<T>& loops) {
    parallel_elements(ctx, x.numel(), [&](std::int64_t begin, std::int64_t end) {
      loops.clamp(elements<T>(x) + begin, elements<T>(y) + begin, end - begin, bounds.lo,
                  bounds.hi);
    });
  });
}

void activation_bwd(Context& ctx, Activation act, const Tensor& y, const Tensor& dy, GradMode mode,
                    Tensor& dx) {
  if (act == Activation::kNone) {
    if (mode == GradMode::kAccumulate) {
      accumulate(ctx, dy, dx);
    } else if (dx.data() != dy.data()) {
      copy(ctx, dy, dx);
    }
    return;
  }
  const float hi = bounds_of(act).hi;
  const auto* ys = y.ptr<const float>();
  const auto* g = dy.ptr<const float>();
  auto* out = dx.ptr<float>();
  parallel_elements(ctx, y.numel(), [&](std::int64_t begin, std::int64_t end) {
    simd::pointwise().mask(ys + begin, g + begin, out + begin, end - begin, hi,
                           mode == GradMode::kAccumulate);
  });
}

void add_fwd(Context& ctx, Activation act, const Tensor& a, const Tensor& b, Tensor& y) {
  const Bounds bounds = bounds_of(act);
  with_loops(a, simd::pointwise(), [&]<class T>(const simd::ForwardLoops<T>& loops) {
    parallel_elements(ctx, a.numel(), [&](std::int64_t begin, std::int64_t end) {
      loops.add_clamp(elements<T>(a) + begin, elements<T>(b) + begin, elements<T>(y) + begin,
                      end - begin, bounds.lo, bounds.hi);
    });
  });
}

void accumulate(Context& ctx, const Tensor& x, Tensor& y) {
  const auto* xs = x.ptr<const float>();
  auto* ys = y.ptr<float>();
  parallel_elements(ctx, x.numel(), [&](std::int64_t begin, std::int64_t end) {
    simd::pointwise().add(xs + begin, ys + begin, end - begin);
  });
}

void scale(Context& ctx, double factor, Tensor& y) {
  auto* ys = y.ptr<float>();
  parallel_elements(ctx, y.numel(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      ys[i] = static_cast<float>(factor * static_cast<double>(ys[i]));
    }
  });
}

void copy(Context& ctx, const Tensor& x, Tensor& y) {
  if (x.data() == y.data()) return;
  const auto* from = static_cast<const std::byte*>(x.data());
  auto* to = static_cast<std::byte*>(y.data());
  constexpr std::int64_t kPage = 4096;
  parallel_ranges(ctx, static_cast<std::int64_t>(x.bytes()), kGrainElements * sizeof(float), kPage,
                  [&](std::int64_t begin, std::int64_t end) {
                    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
                  });
}

void cast(Context& ctx, const Tensor& x, Tensor& y) {
  const bool narrows = y.dtype() == DType::kBF16;
  parallel_elements(ctx, x.numel(), [&](std::int64_t begin, std::int64_t end) {
    if (narrows) {
      simd::pointwise().narrow(elements<float>(x) + begin, elements<simd::Bf16>(y) + begin,
                               end - begin);
    } else {
      simd::pointwise().widen(elements<simd::Bf16>(x) + begin, elements<float>(y) + begin,
                              end - begin);
    }
  });
}

void concat_fwd(Context& ctx, std::span<const Tensor> x, Tensor& y) {
  auto* ys = static_cast<std::byte*>(y.data());
  const std::int64_t width = channels(y);
  const auto bytes = [size = size_of(y.dtype())](std::int64_t count) {
    return static_cast<std::size_t>(count) * size;
  };
  std::int64_t at = 0;
  for (const Tensor& part : x) {
    const auto* xs = static_cast<const std::byte*>(part.data());
    const Columns s = {y.numel() / width, width, at, channels(part)};
    for_column_rows(ctx, s, [&](std::int64_t wide, std::int64_t narrow) {
      std::memcpy(ys + bytes(wide), xs + bytes(narrow), bytes(s.c));
    });
    at += s.c;
  }
}

void concat_bwd(Context& ctx, const Tensor& dy, std::span<const GradMode> mode,
                std::span<Tensor> dx) {
  const auto* g = dy.ptr<const float>();
  const std::int64_t width = channels(dy);
  std::int64_t at = 0;
  for (std::size_t i = 0; i < dx.size(); ++i) {
    const Columns s = {dy.numel() / width, width, at, channels(dx[i])};
    auto* out = dx[i].ptr<float>();
    if (mode[i] == GradMode::kOverwrite) {
      for_column_rows(ctx, s, [&](std::int64_t wide, std::int64_t narrow) {
        std::memcpy(out + narrow, g + wide, float_bytes(s.c));
      });
    } else if (mode[i] == GradMode::kAccumulate) {
      for_column_rows(ctx, s, [&](std::int64_t wide, std::int64_t narrow) {
        simd::pointwise().add(g + wide, out + narrow, s.c);
      });
    }
    at += s.c;
  }
}

void dropout(Context& ctx, double p, const DropoutKeys& keys, const Tensor& x, Tensor& y) {
  const std::int64_t width = x.shape().row_numel();
  const auto* xs = x.ptr<const float>();
  auto* ys = y.ptr<float>();
  constexpr double kUnit = 0x1.0p24;  // to_unit_float(bits) >= p, in integers
  const auto threshold = static_cast<std::uint32_t>(std::ceil(p * kUnit));
  parallel_rows(ctx, x.shape()[0], width, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const auto i = static_cast<std::size_t>(n);
      const RngKey key{.seed = keys.seed,
                       .purpose = RngPurpose::kDropout,
                       .epoch = keys.epoch[i],
                       .id = static_cast<std::uint64_t>(keys.example[i])};
      const auto counter = philox_counter(key, keys.layer << 20);
      const auto seed = philox_key(key);
      const simd::DropoutRow row = {.counter = {counter[0], counter[1], counter[2], counter[3]},
                                    .key = {seed[0], seed[1]},
                                    .threshold = threshold,
                                    .scale = static_cast<float>(1 / (1 - p))};
      simd::dropout().row(row, xs + n * width, ys + n * width, 0, width);
    }
  });
}

void subsample_pad_fwd(Context& ctx, int stride, const Tensor& x, Tensor& y) {
  const auto* xs = static_cast<const std::byte*>(x.data());
  auto* ys = static_cast<std::byte*>(y.data());
  const auto bytes = [size = size_of(x.dtype())](std::int64_t count) {
    return static_cast<std::size_t>(count) * size;
  };
  const std::int64_t c = x.shape()[3], k = y.shape()[3], pad = (k - c) / 2;
  for_kept_pixels(ctx, stride, x.shape(), y.shape(), [&](std::int64_t from, std::int64_t to) {
    std::memset(ys + bytes(to - pad), 0, bytes(pad));
    std::memcpy(ys + bytes(to), xs + bytes(from), bytes(c));
    std::memset(ys + bytes(to + c), 0, bytes(k - c - pad));
  });
}

void subsample_pad_bwd(Context& ctx, int stride, const Tensor& dy, GradMode mode, Tensor& dx) {
  if (mode == GradMode::kOverwrite) zero(ctx, dx);
  const auto* g = dy.ptr<const float>();
  auto* out = dx.ptr<float>();
  const std::int64_t c = dx.shape()[3];
  for_kept_pixels(ctx, stride, dx.shape(), dy.shape(), [&](std::int64_t to, std::int64_t from) {
    simd::pointwise().add(g + from, out + to, c);
  });
}

}  // namespace graft::kernels::cpu
