// SPDX-License-Identifier: Apache-2.0
// Pooling over windows and over whole images: kernels/api/pool.h.
//
//   max  y = the first maximum of the window (NaN wins), index = its place in the window
//   avg  y = sum of the window's inputs / divisor, see kernels/ref/pool.cpp for the border
//
// Mapping: one thread an item of 16 bytes of channels of one output pixel (of one input pixel in
// the backwards, which visits the windows that cover it, in order: a gather, no atomics). DRAM: x
// once where windows do not overlap (else L2 serves the rest), y once, index one byte an element.
// Bitwise repeatable. Reference: kernels/ref/pool.cpp. Source: textbook.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/device/math.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

/// Extents; signed, since windows start in the padding.
struct Geometry {
  int window, stride, pad, pad_end;
  bool count_include_pad;
  int h, w, c, p, q;

  Geometry(const PoolOptions& o, const Shape& x, const Shape& y)
      : window(o.window),
        stride(o.stride),
        pad(o.pad),
        pad_end(o.trailing_pad()),
        count_include_pad(o.count_include_pad),
        h(static_cast<int>(x[1])),
        w(static_cast<int>(x[2])),
        c(static_cast<int>(x[3])),
        p(static_cast<int>(y[1])),
        q(static_cast<int>(y[2])) {}

  /// Output i, counted in items of V channels, of an image of `height` x `width` pixels.
  struct Place {
    int n, row, col, channel;
  };
  template <int V>
  [[nodiscard]] GRAFT_HD Place place(std::uint32_t i, int height, int width) const {
    const auto groups = static_cast<std::uint32_t>(c / V);
    const auto pixel = static_cast<int>(i / groups);
    return {pixel / width / height, pixel / width % height, pixel % width,
            static_cast<int>(i % groups) * V};
  }

  /// The part [begin, end) of window `i` inside an axis of `extent`, and what it counts there.
  struct Span {
    int start, begin, end, padded;
  };
  [[nodiscard]] GRAFT_HD Span span(int i, int extent) const {
    const int start = i * stride - pad;
    const int stop = start + window < extent + pad_end ? start + window : extent + pad_end;
    return {start, start > 0 ? start : 0, stop < extent ? stop : extent, stop - start};
  }
  [[nodiscard]] GRAFT_HD float divisor(const Span& y, const Span& x) const {
    return static_cast<float>(count_include_pad ? y.padded * x.padded
                                                : (y.end - y.begin) * (x.end - x.begin));
  }
  /// First and last window that cover input i.
  [[nodiscard]] GRAFT_HD int first_window(int i) const {
    return i + pad < window ? 0 : (i + pad - window) / stride + 1;
  }
  [[nodiscard]] GRAFT_HD int last_window(int i, int outputs) const {
    const int last = (i + pad) / stride;
    return last < outputs ? last : outputs - 1;
  }
};

template <class T, int V>
struct MaxFwd {
  Geometry g;
  const T* x;
  T* y;
  std::uint8_t* index;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const auto at = g.place<V>(i, g.p, g.q);
    const auto rows = g.span(at.row, g.h), cols = g.span(at.col, g.w);
    float best[V];
    int place[V];
    for (int j = 0; j < V; ++j) best[j] = -INFINITY;
    for (int j = 0; j < V; ++j) place[j] = -1;
    for (int ih = rows.begin; ih < rows.end; ++ih) {
      for (int iw = cols.begin; iw < cols.end; ++iw) {
        float now[V];
        load<V>(x + (((at.n * g.h + ih) * g.w + iw) * g.c + at.channel), now);
        const int here = (ih - rows.start) * g.window + (iw - cols.start);
        for (int j = 0; j < V; ++j) {
          const bool nan_wins = now[j] != now[j] && best[j] == best[j];
          if (place[j] >= 0 && !(now[j] > best[j]) && !nan_wins) continue;
          best[j] = now[j];
          place[j] = here;
        }
      }
    }
    store<V>(y + i * V, best);
    if (index == nullptr) return;
    for (int j = 0; j < V; ++j) index[i * V + j] = static_cast<std::uint8_t>(place[j]);
  }
};

template <class T, int V>
struct MaxBwd {
  Geometry g;
  const T* dy;
  const std::uint8_t* index;
  GradMode mode;
  T* dx;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const auto at = g.place<V>(i, g.h, g.w);
    float sum[V] = {};
    const int row_end = g.last_window(at.row, g.p), col_end = g.last_window(at.col, g.q);
    for (int ip = g.first_window(at.row); ip <= row_end; ++ip) {
      for (int iq = g.first_window(at.col); iq <= col_end; ++iq) {
        const int out = ((at.n * g.p + ip) * g.q + iq) * g.c + at.channel;
        const int here =
            (at.row - (ip * g.stride - g.pad)) * g.window + (at.col - (iq * g.stride - g.pad));
        float d[V];
        load<V>(dy + out, d);
        for (int j = 0; j < V; ++j) sum[j] += index[out + j] == here ? d[j] : 0.0f;
      }
    }
    store_grad<V>(mode, dx + i * V, sum);
  }
};

template <class T, int V>
struct AvgFwd {
  Geometry g;
  const T* x;
  T* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const auto at = g.place<V>(i, g.p, g.q);
    const auto rows = g.span(at.row, g.h), cols = g.span(at.col, g.w);
    float sum[V] = {};
    for (int ih = rows.begin; ih < rows.end; ++ih) {
      for (int iw = cols.begin; iw < cols.end; ++iw) {
        float now[V];
        load<V>(x + (((at.n * g.h + ih) * g.w + iw) * g.c + at.channel), now);
        for (int j = 0; j < V; ++j) sum[j] += now[j];
      }
    }
    const float divisor = g.divisor(rows, cols);
    for (float& s : sum) s /= divisor;
    store<V>(y + i * V, sum);
  }
};

template <class T, int V>
struct AvgBwd {
  Geometry g;
  const T* dy;
  GradMode mode;
  T* dx;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const auto at = g.place<V>(i, g.h, g.w);
    float sum[V] = {};
    const int row_end = g.last_window(at.row, g.p), col_end = g.last_window(at.col, g.q);
    for (int ip = g.first_window(at.row); ip <= row_end; ++ip) {
      for (int iq = g.first_window(at.col); iq <= col_end; ++iq) {
        const float divisor = g.divisor(g.span(ip, g.h), g.span(iq, g.w));
        float d[V];
        load<V>(dy + (((at.n * g.p + ip) * g.q + iq) * g.c + at.channel), d);
        for (int j = 0; j < V; ++j) sum[j] += d[j] / divisor;
      }
    }
    store_grad<V>(mode, dx + i * V, sum);
  }
};

/// One warp V channels of one image: images are small where this runs (7 x 7, 8 x 8).
template <class T, int V>
struct GlobalAvgFwd {
  std::uint32_t pixels, c;
  const T* x;
  T* y;
  struct Sums {
    float v[V];
    GRAFT_HD Sums operator+(const Sums& o) const {
      Sums s;
      for (int j = 0; j < V; ++j) s.v[j] = v[j] + o.v[j];
      return s;
    }
  };
  GRAFT_HD void operator()(const Team<kWarp>& team, std::uint32_t i) const {
    const std::uint32_t groups = c / V, n = i / groups, channel = i % groups * V;
    const T* image = x + (n * pixels * c + channel);
    Sums sum = team.reduce(
        pixels, Sums{},
        [&](std::uint32_t pixel) {
          Sums s;
          load<V>(image + pixel * c, s.v);
          return s;
        },
        Add{});
    for (float& s : sum.v) s /= static_cast<float>(pixels);
    team.each(1, [&](std::uint32_t) { store<V>(y + (n * c + channel), sum.v); });
  }
};

template <class T, int V>
struct GlobalAvgBwd {
  std::uint32_t pixels, c;
  const T* dy;
  GradMode mode;
  T* dx;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t groups = c / V, n = i / groups / pixels;
    float d[V];
    load<V>(dy + (n * c + i % groups * V), d);
    for (float& e : d) e /= static_cast<float>(pixels);
    store_grad<V>(mode, dx + i * V, d);
  }
};

std::uint32_t extent(const Tensor& t, int axis) {
  return static_cast<std::uint32_t>(t.shape()[axis]);
}

}  // namespace

void max_pool_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y,
                  Tensor& index) {
  const Geometry g(options, x.shape(), y.shape());
  with_pack(x.dtype(), wide(g.c, x, y), "max_pool_fwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(y) / V,
                       MaxFwd<T, V>{g, x.ptr<const T>(), y.ptr<T>(), index.ptr<std::uint8_t>()});
            });
}

void max_pool_bwd(Context& ctx, const PoolOptions& options, const Tensor& dy, const Tensor& index,
                  GradMode mode, Tensor& dx) {
  const Geometry g(options, dx.shape(), dy.shape());
  with_pack(dy.dtype(), wide(g.c, dy, dx), "max_pool_bwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(dx) / V,
                       MaxBwd<T, V>{g, dy.ptr<const T>(), index.ptr<const std::uint8_t>(), mode,
                                    dx.ptr<T>()});
            });
}

void avg_pool_fwd(Context& ctx, const PoolOptions& options, const Tensor& x, Tensor& y) {
  const Geometry g(options, x.shape(), y.shape());
  with_pack(x.dtype(), wide(g.c, x, y), "avg_pool_fwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(y) / V, AvgFwd<T, V>{g, x.ptr<const T>(), y.ptr<T>()});
            });
}

void avg_pool_bwd(Context& ctx, const PoolOptions& options, const Tensor& dy, GradMode mode,
                  Tensor& dx) {
  const Geometry g(options, dx.shape(), dy.shape());
  with_pack(dy.dtype(), wide(g.c, dy, dx), "avg_pool_bwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(dx) / V, AvgBwd<T, V>{g, dy.ptr<const T>(), mode, dx.ptr<T>()});
            });
}

void global_avg_pool_fwd(Context& ctx, const Tensor& x, Tensor& y) {
  const std::uint32_t pixels = extent(x, 1) * extent(x, 2), c = extent(x, 3);
  with_pack(x.dtype(), wide(c, x, y), "global_avg_pool_fwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_teams<kWarp>(ctx, count(y) / V,
                               GlobalAvgFwd<T, V>{pixels, c, x.ptr<const T>(), y.ptr<T>()});
            });
}

void global_avg_pool_bwd(Context& ctx, const Tensor& dy, GradMode mode, Tensor& dx) {
  const std::uint32_t pixels = extent(dx, 1) * extent(dx, 2), c = extent(dx, 3);
  with_pack(dy.dtype(), wide(c, dy, dx), "global_avg_pool_bwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(dx) / V,
                       GlobalAvgBwd<T, V>{pixels, c, dy.ptr<const T>(), mode, dx.ptr<T>()});
            });
}

}  // namespace graft::kernels::cuda
