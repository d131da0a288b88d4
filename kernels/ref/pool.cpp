// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/pool.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/ref/common.h"

namespace graft::kernels::ref {
namespace {

/// One window: where it starts (may be negative) and the part [h0,h1) x [w0,w1) inside the input.
struct Window {
  std::int64_t top, left;
  std::int64_t h0, h1, w0, w1;
  double padded;  // elements of the window inside the padded input: it may end beyond in ceil_mode
};

struct Geometry {
  PoolOptions o;
  std::int64_t n, h, w, c, p, q;

  Geometry(const PoolOptions& options, const Shape& x, const Shape& y)
      : o(options), n(x[0]), h(x[1]), w(x[2]), c(x[3]), p(y[1]), q(y[2]) {}

  [[nodiscard]] Window window(std::int64_t ip, std::int64_t iq) const {
    const std::int64_t top = ip * o.stride - o.pad, left = iq * o.stride - o.pad;
    const std::int64_t bottom = std::min(top + o.window, h + o.trailing_pad());
    const std::int64_t right = std::min(left + o.window, w + o.trailing_pad());
    return {top,
            left,
            std::max<std::int64_t>(top, 0),
            std::min(bottom, h),
            std::max<std::int64_t>(left, 0),
            std::min(right, w),
            static_cast<double>((bottom - top) * (right - left))};
  }
  [[nodiscard]] double divisor(const Window& v) const {
    return o.count_include_pad ? v.padded : static_cast<double>((v.h1 - v.h0) * (v.w1 - v.w0));
  }
  [[nodiscard]] std::int64_t x_at(std::int64_t in, std::int64_t ih, std::int64_t iw) const {
    return ((in * h + ih) * w + iw) * c;
  }
  [[nodiscard]] std::int64_t y_at(std::int64_t in, std::int64_t ip, std::int64_t iq) const {
    return ((in * p + ip) * q + iq) * c;
  }

  /// f(example, window, place of the first channel in the output) for every window of example `in`.
  template <class F>
  void for_windows(std::int64_t in, F&& f) const {
    for (std::int64_t ip = 0; ip < p; ++ip) {
      for (std::int64_t iq = 0; iq < q; ++iq) f(window(ip, iq), y_at(in, ip, iq));
    }
  }
  /// f(ih, iw) over the part of a window that is inside the input.
  template <class F>
  static void for_taps(const Window& v, F&& f) {
    for (std::int64_t ih = v.h0; ih < v.h1; ++ih) {
      for (std::int64_t iw = v.w0; iw < v.w1; ++iw) f(ih, iw);
    }
  }
};

template <class T>
void max_fwd(const Geometry& g, const T* x, T* y, std::uint8_t* index) {
  for (std::int64_t in = 0; in < g.n; ++in) {
    g.for_windows(in, [&](const Window& v, std::int64_t at) {
      for (std::int64_t ic = 0; ic < g.c; ++ic) {
        T best = -std::numeric_limits<T>::infinity();
        std::int64_t place = -1;
        Geometry::for_taps(v, [&](auto ih, auto iw) {
          const T now = x[g.x_at(in, ih, iw) + ic];
          // NaN wins over numbers, so that a broken input reaches the loss.
          if (place < 0 || now > best || (std::isnan(now) && !std::isnan(best))) {
            best = now;
            place = (ih - v.top) * g.o.window + (iw - v.left);
          }
        });
        y[at + ic] = best;
        if (index != nullptr) index[at + ic] = static_cast<std::uint8_t>(place);
      }
    });
  }
}

/// Runs add(in, window, place of dy, sums of the example) over all windows, then stores the sums.
template <class T, class F>
void gather_grads(const Geometry& g, GradMode mode, T* dx, F&& add) {
  std::vector<double> sum(static_cast<std::size_t>(g.h * g.w * g.c));
  for (std::int64_t in = 0; in < g.n; ++in) {
    std::fill(sum.begin(), sum.end(), 0.0);
    g.for_windows(in, [&](const Window& v, std::int64_t at) { add(v, at, sum.data()); });
    for (std::size_t i = 0; i < sum.size(); ++i) {
      store(mode, dx + g.x_at(in, 0, 0), static_cast<std::int64_t>(i), sum[i]);
    }
  }
}

template <class T>
void max_bwd(const Geometry& g, const T* dy, const std::uint8_t* index, GradMode mode, T* dx) {
  gather_grads(g, mode, dx, [&](const Window& v, std::int64_t at, double* sum) {
    for (std::int64_t ic = 0; ic < g.c; ++ic) {
      const std::int64_t ih = v.top + index[at + ic] / g.o.window;
      const std::int64_t iw = v.left + index[at + ic] % g.o.window;
      sum[g.x_at(0, ih, iw) + ic] += static_cast<double>(dy[at + ic]);
    }
  });
}

template <class T>
void avg_fwd(const Geometry& g, const T* x, T* y) {
  for (std::int64_t in = 0; in < g.n; ++in) {
    g.for_windows(in, [&](const Window& v, std::int64_t at) {
      for (std::int64_t ic = 0; ic < g.c; ++ic) {
        double sum = 0;
        Geometry::for_taps(
            v, [&](auto ih, auto iw) { sum += static_cast<double>(x[g.x_at(in, ih, iw) + ic]); });
        y[at + ic] = static_cast<T>(sum / g.divisor(v));
      }
    });
  }
}

template <class T>
void avg_bwd(const Geometry& g, const T* dy, GradMode mode, T* dx) {
  gather_grads(g, mode, dx, [&](const Window& v, std::int64_t at, double* sum) {
    Geometry::for_taps(v, [&](auto ih, auto iw) {
      for (std::int64_t ic = 0; ic < g.c; ++ic) {
        sum[g.x_at(0, ih, iw) + ic] += static_cast<double>(dy[at + ic]) / g.divisor(v);
      }
    });
  });
}

}  // namespace

void max_pool_fwd(Context&, const PoolOptions& options, const Tensor& x, Tensor& y, Tensor& index) {
  const Geometry g(options, x.shape(), y.shape());
  dispatch_float(x.dtype(), "max_pool_fwd", [&]<class T>(std::type_identity<T>) {
    max_fwd(g, x.ptr<const T>(), y.ptr<T>(), index.ptr<std::uint8_t>());
  });
}

void max_pool_bwd(Context&, const PoolOptions& options, const Tensor& dy, const Tensor& index,
                  GradMode mode, Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  const Geometry g(options, dx.shape(), dy.shape());
  dispatch_float(dy.dtype(), "max_pool_bwd", [&]<class T>(std::type_identity<T>) {
    max_bwd(g, dy.ptr<const T>(), index.ptr<const std::uint8_t>(), mode, dx.ptr<T>());
  });
}

void avg_pool_fwd(Context&, const PoolOptions& options, const Tensor& x, Tensor& y) {
  const Geometry g(options, x.shape(), y.shape());
  dispatch_float(x.dtype(), "avg_pool_fwd",
                 [&]<class T>(std::type_identity<T>) { avg_fwd(g, x.ptr<const T>(), y.ptr<T>()); });
}

void avg_pool_bwd(Context&, const PoolOptions& options, const Tensor& dy, GradMode mode,
                  Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  const Geometry g(options, dx.shape(), dy.shape());
  dispatch_float(dy.dtype(), "avg_pool_bwd", [&]<class T>(std::type_identity<T>) {
    avg_bwd(g, dy.ptr<const T>(), mode, dx.ptr<T>());
  });
}

void global_avg_pool_fwd(Context&, const Tensor& x, Tensor& y) {
  const std::int64_t n = x.shape()[0], hw = x.shape()[1] * x.shape()[2], c = x.shape()[3];
  dispatch_float(x.dtype(), "global_avg_pool_fwd", [&]<class T>(std::type_identity<T>) {
    for (std::int64_t in = 0; in < n; ++in) {
      for (std::int64_t ic = 0; ic < c; ++ic) {
        double sum = 0;
        for (std::int64_t i = 0; i < hw; ++i) {
          sum += static_cast<double>(x.ptr<const T>()[(in * hw + i) * c + ic]);
        }
        y.ptr<T>()[in * c + ic] = static_cast<T>(sum / static_cast<double>(hw));
      }
    }
  });
}

void global_avg_pool_bwd(Context&, const Tensor& dy, GradMode mode, Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  const std::int64_t n = dx.shape()[0], hw = dx.shape()[1] * dx.shape()[2], c = dx.shape()[3];
  dispatch_float(dy.dtype(), "global_avg_pool_bwd", [&]<class T>(std::type_identity<T>) {
    for (std::int64_t i = 0; i < n * hw * c; ++i) {
      const auto g = static_cast<double>(dy.ptr<const T>()[i / (hw * c) * c + i % c]);
      store(mode, dx.ptr<T>(), i, g / static_cast<double>(hw));
    }
  });
}

}  // namespace graft::kernels::ref
