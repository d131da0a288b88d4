// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/pointwise.h"

#include <algorithm>
#include <cstring>

#include "kernels/ref/common.h"

namespace graft::kernels::ref {
namespace {

/// Channels: the extent of the last axis.
std::int64_t last(const Tensor& t) { return t.shape()[t.shape().rank() - 1]; }

/// f(place in y, place in x) over y (N,P,Q,K); the place in x (N,H,W,C) is -1 in a padded channel.
template <class F>
void for_subsampled(int stride, const Shape& x, const Shape& y, F&& f) {
  const std::int64_t c = x[3], k = y[3], pad = (k - c) / 2;
  std::int64_t i = 0;
  for (std::int64_t n = 0; n < y[0]; ++n) {
    for (std::int64_t p = 0; p < y[1]; ++p) {
      for (std::int64_t q = 0; q < y[2]; ++q) {
        const std::int64_t pixel = ((n * x[1] + p * stride) * x[2] + q * stride) * c;
        for (std::int64_t ik = 0; ik < k; ++ik) {
          const std::int64_t ic = ik - pad;
          f(i++, ic >= 0 && ic < c ? pixel + ic : -1);
        }
      }
    }
  }
}

}  // namespace

void activation_fwd(Context&, Activation act, const Tensor& x, Tensor& y) {
  dispatch_float(x.dtype(), "activation_fwd", [&]<class T>(std::type_identity<T>) {
    const T* xs = x.ptr<const T>();
    T* ys = y.ptr<T>();
    for (std::int64_t i = 0; i < x.numel(); ++i) ys[i] = static_cast<T>(activate(act, xs[i]));
  });
}

void activation_bwd(Context&, Activation act, const Tensor& y, const Tensor& dy, GradMode mode,
                    Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  dispatch_float(dy.dtype(), "activation_bwd", [&]<class T>(std::type_identity<T>) {
    const T* ys = y.ptr<const T>();
    const T* g = dy.ptr<const T>();
    for (std::int64_t i = 0; i < dy.numel(); ++i) {
      // kNone never reads y.
      const double on = act == Activation::kNone ? 1 : slope(act, ys[i]);
      store(mode, dx.ptr<T>(), i, on == 0 ? 0.0 : static_cast<double>(g[i]));
    }
  });
}

void add_fwd(Context&, Activation act, const Tensor& a, const Tensor& b, Tensor& y) {
  dispatch_float(a.dtype(), "add_fwd", [&]<class T>(std::type_identity<T>) {
    const T *as = a.ptr<const T>(), *bs = b.ptr<const T>();
    T* ys = y.ptr<T>();
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      ys[i] =
          static_cast<T>(activate(act, static_cast<double>(as[i]) + static_cast<double>(bs[i])));
    }
  });
}

void accumulate(Context&, const Tensor& x, Tensor& y) {
  dispatch_float(x.dtype(), "accumulate", [&]<class T>(std::type_identity<T>) {
    const T* xs = x.ptr<const T>();
    for (std::int64_t i = 0; i < x.numel(); ++i) store(GradMode::kAccumulate, y.ptr<T>(), i, xs[i]);
  });
}

void scale(Context&, double factor, Tensor& y) {
  dispatch_float(y.dtype(), "scale", [&]<class T>(std::type_identity<T>) {
    T* ys = y.ptr<T>();
    for (std::int64_t i = 0; i < y.numel(); ++i) {
      ys[i] = static_cast<T>(factor * static_cast<double>(ys[i]));
    }
  });
}

void copy(Context&, const Tensor& x, Tensor& y) {
  if (x.bytes() != 0) std::memmove(y.data(), x.data(), x.bytes());
}

void concat_fwd(Context&, std::span<const Tensor> x, Tensor& y) {
  const std::int64_t width = last(y);
  const auto run = [&]<class T>(std::type_identity<T>) {
    std::int64_t at = 0;
    for (const Tensor& part : x) {
      const T* xs = static_cast<const T*>(part.data());
      const std::int64_t c = last(part);
      for (std::int64_t i = 0; i < part.numel(); ++i) {
        static_cast<T*>(y.data())[i / c * width + at + i % c] = xs[i];
      }
      at += c;
    }
  };
  if (size_of(y.dtype()) == 1) return run(std::type_identity<std::byte>());
  dispatch_float(y.dtype(), "concat_fwd", run);
}

void concat_bwd(Context&, const Tensor& dy, std::span<const GradMode> mode, std::span<Tensor> dx) {
  const std::int64_t width = last(dy);
  dispatch_float(dy.dtype(), "concat_bwd", [&]<class T>(std::type_identity<T>) {
    const T* g = dy.ptr<const T>();
    std::int64_t at = 0;
    for (std::size_t part = 0; part < dx.size(); ++part) {
      const std::int64_t c = last(dx[part]);
      if (mode[part] != GradMode::kSkip) {
        T* out = dx[part].template ptr<T>();
        for (std::int64_t i = 0; i < dx[part].numel(); ++i) {
          store(mode[part], out, i, g[i / c * width + at + i % c]);
        }
      }
      at += c;
    }
  });
}

void dropout(Context&, double p, const DropoutKeys& keys, const Tensor& x, Tensor& y) {
  const std::int64_t width = x.shape().row_numel();
  dispatch_float(x.dtype(), "dropout", [&]<class T>(std::type_identity<T>) {
    const T* xs = x.ptr<const T>();
    T* ys = y.ptr<T>();
    for (std::int64_t n = 0; n < x.shape()[0]; ++n) {
      const auto row = static_cast<std::size_t>(n);
      const RngKey key{.seed = keys.seed,
                       .purpose = RngPurpose::kDropout,
                       .epoch = keys.epoch[row],
                       .id = static_cast<std::uint64_t>(keys.example[row])};
      for (std::int64_t i = 0; i < width; ++i) {
        const auto block = philox_block(key, keys.layer << 20 | static_cast<std::uint32_t>(i / 4));
        const bool kept = to_unit_float(block[static_cast<std::size_t>(i % 4)]) >= p;
        const std::int64_t at = n * width + i;
        ys[at] = kept ? static_cast<T>(static_cast<double>(xs[at]) / (1 - p)) : T{0};
      }
    }
  });
}

void subsample_pad_fwd(Context&, int stride, const Tensor& x, Tensor& y) {
  if (size_of(x.dtype()) == 1) {
    const auto* xs = static_cast<const std::byte*>(x.data());
    auto* ys = static_cast<std::byte*>(y.data());
    for_subsampled(stride, x.shape(), y.shape(),
                   [&](auto i, auto from) { ys[i] = from < 0 ? std::byte{0} : xs[from]; });
    return;
  }
  dispatch_float(x.dtype(), "subsample_pad_fwd", [&]<class T>(std::type_identity<T>) {
    const T* xs = x.ptr<const T>();
    T* ys = y.ptr<T>();
    for_subsampled(stride, x.shape(), y.shape(),
                   [&](auto i, auto from) { ys[i] = from < 0 ? T{0} : xs[from]; });
  });
}

void subsample_pad_bwd(Context&, int stride, const Tensor& dy, GradMode mode, Tensor& dx) {
  if (mode == GradMode::kSkip) return;
  dispatch_float(dy.dtype(), "subsample_pad_bwd", [&]<class T>(std::type_identity<T>) {
    const T* g = dy.ptr<const T>();
    T* out = dx.ptr<T>();
    if (mode == GradMode::kOverwrite) std::fill_n(out, dx.numel(), T{0});
    for_subsampled(stride, dx.shape(), dy.shape(), [&](auto i, auto to) {
      if (to >= 0) store(mode, out, to, g[i]);
    });
  });
}

}  // namespace graft::kernels::ref
