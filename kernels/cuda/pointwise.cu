// SPDX-License-Identifier: Apache-2.0
// Element-wise operators and moves of channels: kernels/api/pointwise.h.
//
//   activation   y = act(x);  dx = dy where the activation passes
//   add          y = act(a + b)         scale   y *= factor
//   concat       y[row, at + c] = x[row, c], one launch a part, and back
//   dropout      y = x / (1-p) where Philox word (layer << 20 | i/4)[i%4] of the example says so
//   subsample    y[n,p,q,pad+c] = x[n,p*s,q*s,c], other channels 0, and back
//
// Mapping: one thread an item of 16 bytes (4 f32 or 8 bf16), or of one element where an extent or
// an address does not allow it. DRAM: every tensor once, 4 or 2 bytes an element; kAccumulate reads
// the gradient too. No sums across threads: bitwise repeatable, and in f32 bitwise the reference
// but for add_fwd's one rounding. Reference: kernels/ref/pointwise.cpp. Source: textbook; Salmon et
// al. 2011 for Philox.
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/device/math.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

template <class T, int V>
struct ActivationFwd {
  Activation act;
  const T* x;
  T* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    float v[V];
    load<V>(x + i * V, v);
    for (float& e : v) e = activate(act, e);
    store<V>(y + i * V, v);
  }
};

template <class T, int V>
struct ActivationBwd {
  Activation act;
  const T *y, *dy;
  GradMode mode;
  T* dx;
  GRAFT_HD void operator()(std::uint32_t i) const {
    float out[V] = {}, g[V];
    if (act != Activation::kNone) load<V>(y + i * V, out);  // kNone never reads y
    load<V>(dy + i * V, g);
    for (int j = 0; j < V; ++j) g[j] = passes(act, out[j]) ? g[j] : 0;
    store_grad<V>(mode, dx + i * V, g);
  }
};

template <class T, int V>
struct AddFwd {
  Activation act;
  const T *a, *b;
  T* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    float u[V], v[V];
    load<V>(a + i * V, u);
    load<V>(b + i * V, v);
    for (int j = 0; j < V; ++j) u[j] = activate(act, u[j] + v[j]);
    store<V>(y + i * V, u);
  }
};

template <class T, int V>
struct Scale {
  float factor;
  T* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    float v[V];
    load<V>(y + i * V, v);
    for (float& e : v) e *= factor;
    store<V>(y + i * V, v);
  }
};

/// Between a part of `c` channels and its place in rows of `width`; counted in the part.
template <class T, int V>
struct ConcatPart {
  const T* part;
  T* whole;
  std::uint32_t c, width, at;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t e = i * V;
    float v[V];
    load<V>(part + e, v);
    store<V>(whole + (e / c * width + at + e % c), v);
  }
};
template <class T, int V>
struct SplitPart {
  const T* whole;
  T* part;
  std::uint32_t c, width, at;
  GradMode mode;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t e = i * V;
    float v[V];
    load<V>(whole + (e / c * width + at + e % c), v);
    store_grad<V>(mode, part + e, v);
  }
};

/// One thread a Philox block: four elements of a row.
template <class T>
struct Dropout {
  std::uint32_t threshold;  // ceil(p * 2^24): a word's upper 24 bits below it are dropped
  float keep;               // 1 / (1 - p)
  std::uint64_t seed;
  std::uint32_t layer, width, blocks;  // blocks a row
  const std::uint32_t* epoch;
  const std::int64_t* example;
  const T* x;
  T* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t row = i / blocks, block = i % blocks;
    const auto words = philox_block({.seed = seed,
                                     .purpose = RngPurpose::kDropout,
                                     .epoch = epoch[row],
                                     .id = static_cast<std::uint64_t>(example[row])},
                                    layer << 20 | block);
    for (std::uint32_t j = 0; j < 4 && block * 4 + j < width; ++j) {
      const std::uint32_t at = row * width + block * 4 + j;
      const bool kept = words[j] >> 8 >= threshold;
      y[at] = from_float<T>(kept ? to_float(x[at]) * keep : 0.0f);
    }
  }
};

/// Extents of the shortcut: x (N,H,W,C), y (N,P,Q,K).
struct Subsample {
  std::uint32_t stride, h, w, c, p, q, k, pad;

  Subsample(int s, const Shape& x, const Shape& y)
      : stride(static_cast<std::uint32_t>(s)),
        h(static_cast<std::uint32_t>(x[1])),
        w(static_cast<std::uint32_t>(x[2])),
        c(static_cast<std::uint32_t>(x[3])),
        p(static_cast<std::uint32_t>(y[1])),
        q(static_cast<std::uint32_t>(y[2])),
        k(static_cast<std::uint32_t>(y[3])),
        pad((k - c) / 2) {}
};

template <class T>
struct SubsampleFwd {
  Subsample g;
  const T* x;
  T* y;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t channel = i % g.k, pixel = i / g.k;
    const std::uint32_t iq = pixel % g.q, ip = pixel / g.q % g.p, n = pixel / g.q / g.p;
    const std::uint32_t from = channel - g.pad;  // wraps below pad: then not < c
    y[i] = from < g.c ? x[((n * g.h + ip * g.stride) * g.w + iq * g.stride) * g.c + from] : T{};
  }
};

template <class T>
struct SubsampleBwd {
  Subsample g;
  const T* dy;
  GradMode mode;
  T* dx;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const std::uint32_t channel = i % g.c, pixel = i / g.c;
    const std::uint32_t iw = pixel % g.w, ih = pixel / g.w % g.h, n = pixel / g.w / g.h;
    const bool taken = ih % g.stride == 0 && iw % g.stride == 0;
    const std::uint32_t from =
        ((n * g.p + ih / g.stride) * g.q + iw / g.stride) * g.k + g.pad + channel;
    const float gradient[1] = {taken ? to_float(dy[from]) : 0.0f};
    store_grad<1>(mode, dx + i, gradient);
  }
};

/// Byte-wise copy in units of U.
template <class U>
struct Copy {
  const U* x;
  U* y;
  GRAFT_HD void operator()(std::uint32_t i) const { y[i] = x[i]; }
};
using Quad = Pack<std::uint32_t, 4>;

std::int64_t last(const Tensor& t) { return t.shape()[t.shape().rank() - 1]; }

}  // namespace

void activation_fwd(Context& ctx, Activation act, const Tensor& x, Tensor& y) {
  with_pack(x.dtype(), wide(x.numel(), x, y), "activation_fwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(x) / V, ActivationFwd<T, V>{act, x.ptr<const T>(), y.ptr<T>()});
            });
}

void activation_bwd(Context& ctx, Activation act, const Tensor& y, const Tensor& dy, GradMode mode,
                    Tensor& dx) {
  with_pack(dy.dtype(), wide(dy.numel(), y, dy, dx), "activation_bwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(
                  ctx, count(dy) / V,
                  ActivationBwd<T, V>{act, y.ptr<const T>(), dy.ptr<const T>(), mode, dx.ptr<T>()});
            });
}

void add_fwd(Context& ctx, Activation act, const Tensor& a, const Tensor& b, Tensor& y) {
  with_pack(a.dtype(), wide(a.numel(), a, b, y), "add_fwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(a) / V,
                       AddFwd<T, V>{act, a.ptr<const T>(), b.ptr<const T>(), y.ptr<T>()});
            });
}

void accumulate(Context& ctx, const Tensor& x, Tensor& y) {
  cuda::add_fwd(ctx, Activation::kNone, y, x, y);
}

void scale(Context& ctx, double factor, Tensor& y) {
  with_pack(y.dtype(), wide(y.numel(), y), "scale",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(y) / V, Scale<T, V>{static_cast<float>(factor), y.ptr<T>()});
            });
}

void copy(Context& ctx, const Tensor& x, Tensor& y) {
  const Tensor from = Tensor::borrow(x.data(), {static_cast<std::int64_t>(x.bytes())}, DType::kU8);
  if (wide(from.numel(), from, y)) {
    for_each(ctx, count(from) / sizeof(Quad),
             Copy<Quad>{static_cast<const Quad*>(x.data()), static_cast<Quad*>(y.data())});
  } else {
    for_each(
        ctx, count(from),
        Copy<std::uint8_t>{from.ptr<const std::uint8_t>(), static_cast<std::uint8_t*>(y.data())});
  }
}

void concat_fwd(Context& ctx, std::span<const Tensor> x, Tensor& y) {
  std::int64_t at = 0;
  for (const Tensor& part : x) {
    const std::int64_t c = last(part);
    const bool is_wide = wide(c, part, y) && wide(at, y) && wide(last(y), y);
    with_pack(y.dtype(), is_wide, "concat_fwd",
              [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
                for_each(ctx, count(part) / V,
                         ConcatPart<T, V>{
                             part.ptr<const T>(), y.ptr<T>(), static_cast<std::uint32_t>(c),
                             static_cast<std::uint32_t>(last(y)), static_cast<std::uint32_t>(at)});
              });
    at += c;
  }
}

void concat_bwd(Context& ctx, const Tensor& dy, std::span<const GradMode> mode,
                std::span<Tensor> dx) {
  std::int64_t at = 0;
  for (std::size_t i = 0; i < dx.size(); ++i) {
    const Tensor& part = dx[i];
    const std::int64_t c = last(part);
    if (mode[i] != GradMode::kSkip) {
      const bool is_wide = wide(c, part, dy) && wide(at, dy) && wide(last(dy), dy);
      with_pack(dy.dtype(), is_wide, "concat_bwd",
                [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
                  for_each(ctx, count(part) / V,
                           SplitPart<T, V>{dy.ptr<const T>(), part.ptr<T>(),
                                           static_cast<std::uint32_t>(c),
                                           static_cast<std::uint32_t>(last(dy)),
                                           static_cast<std::uint32_t>(at), mode[i]});
                });
    }
    at += c;
  }
}

void dropout(Context& ctx, double p, const DropoutKeys& keys, const Tensor& x, Tensor& y) {
  if (!keys.on_device) {
    const Upload sent(ctx, {std::as_bytes(keys.epoch), std::as_bytes(keys.example)});
    DropoutKeys there = keys;
    there.epoch = {sent.part<std::uint32_t>(0), keys.epoch.size()};
    there.example = {sent.part<std::int64_t>(1), keys.example.size()};
    there.on_device = true;
    cuda::dropout(ctx, p, there, x, y);
    return;
  }
  const auto width = static_cast<std::uint32_t>(x.shape().row_numel());
  const std::uint32_t blocks = ceil_div(width, 4);
  const auto threshold = static_cast<std::uint32_t>(std::ceil(p * 0x1.0p24));
  with_pack(x.dtype(), false, "dropout",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, static_cast<std::uint32_t>(x.shape()[0]) * blocks,
                       Dropout<T>{threshold, static_cast<float>(1 / (1 - p)), keys.seed, keys.layer,
                                  width, blocks, keys.epoch.data(), keys.example.data(),
                                  x.ptr<const T>(), y.ptr<T>()});
            });
}

void subsample_pad_fwd(Context& ctx, int stride, const Tensor& x, Tensor& y) {
  const Subsample g(stride, x.shape(), y.shape());
  const auto run = [&]<class T>(std::type_identity<T>) {
    for_each(ctx, count(y),
             SubsampleFwd<T>{g, static_cast<const T*>(x.data()), static_cast<T*>(y.data())});
  };
  if (size_of(x.dtype()) == 1) run(std::type_identity<std::uint8_t>{});
  if (size_of(x.dtype()) == 2) run(std::type_identity<std::uint16_t>{});
  if (size_of(x.dtype()) == 4) run(std::type_identity<float>{});
}

void subsample_pad_bwd(Context& ctx, int stride, const Tensor& dy, GradMode mode, Tensor& dx) {
  const Subsample g(stride, dx.shape(), dy.shape());
  with_pack(dy.dtype(), false, "subsample_pad_bwd",
            [&]<class T, int V>(std::type_identity<T>, std::integral_constant<int, V>) {
              for_each(ctx, count(dx), SubsampleBwd<T>{g, dy.ptr<const T>(), mode, dx.ptr<T>()});
            });
}

}  // namespace graft::kernels::cuda
