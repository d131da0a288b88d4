// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/optim.h"

#include <cmath>

namespace graft::kernels::ref {
namespace {

template <class T>
void sgd(const SgdOptions& o, std::int64_t count, const T* g, T* w, T* v) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto weight = static_cast<double>(w[i]);
    const double grad = static_cast<double>(g[i]) + o.weight_decay * weight;
    double step = grad;
    if (v != nullptr) {
      const double velocity = o.momentum * static_cast<double>(v[i]) + grad;
      v[i] = static_cast<T>(velocity);
      step = o.nesterov ? grad + o.momentum * velocity : velocity;
    }
    w[i] = static_cast<T>(weight - o.lr * step);
  }
}

template <class T>
void adam(const AdamOptions& o, std::int64_t step, std::int64_t count, const T* g, T* w, T* m,
          T* v) {
  const double correction1 = 1 - std::pow(o.beta1, static_cast<double>(step));
  const double correction2 = std::sqrt(1 - std::pow(o.beta2, static_cast<double>(step)));
  for (std::int64_t i = 0; i < count; ++i) {
    auto weight = static_cast<double>(w[i]);
    auto grad = static_cast<double>(g[i]);
    if (o.decoupled) {
      weight *= 1 - o.lr * o.weight_decay;
    } else {
      grad += o.weight_decay * weight;
    }
    const double first = o.beta1 * static_cast<double>(m[i]) + (1 - o.beta1) * grad;
    const double second = o.beta2 * static_cast<double>(v[i]) + (1 - o.beta2) * grad * grad;
    m[i] = static_cast<T>(first);
    v[i] = static_cast<T>(second);
    w[i] = static_cast<T>(weight -
                          o.lr / correction1 * first / (std::sqrt(second) / correction2 + o.eps));
  }
}

}  // namespace

void sgd_step(Context&, const SgdOptions& options, const Tensor& g, Tensor& w, Tensor& v) {
  dispatch_float(w.dtype(), "sgd_step", [&]<class T>(std::type_identity<T>) {
    sgd(options, w.numel(), g.ptr<const T>(), w.ptr<T>(), v.ptr<T>());
  });
}

void adam_step(Context&, const AdamOptions& options, std::int64_t step, const Tensor& g, Tensor& w,
               Tensor& m, Tensor& v) {
  dispatch_float(w.dtype(), "adam_step", [&]<class T>(std::type_identity<T>) {
    adam(options, step, w.numel(), g.ptr<const T>(), w.ptr<T>(), m.ptr<T>(), v.ptr<T>());
  });
}

}  // namespace graft::kernels::ref
