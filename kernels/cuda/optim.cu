// SPDX-License-Identifier: Apache-2.0
// Optimizer steps over the flat block of all parameters, one launch: kernels/api/optim.h.
//
//   SGD    g += wd*w;  v = momentum*v + g;  w -= lr * (nesterov ? g + momentum*v : v)
//   Adam   m = b1*m + (1-b1)*g;  v = b2*v + (1-b2)*g^2;  w -= lr/c1 * m / (sqrt(v)/c2 + eps)
//
// Mapping: one thread four parameters. DRAM, bytes a parameter: SGD with momentum 20 (w, v read and
// written, g read), Adam 28. f32 masters. No sums: bitwise repeatable. Reference:
// kernels/ref/optim.cpp. Source: torch.optim.SGD, Adam (Kingma & Ba 2015), AdamW (Loshchilov &
// Hutter 2019).
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/device/math.h"
#include "kernels/cuda/host.h"

namespace graft::kernels::cuda {
namespace {

/// What the host knew at the launch, or what stands on the device.
struct Control {
  UpdateControl known;
  const UpdateControl* on_device;
  GRAFT_HD UpdateControl operator()() const { return on_device != nullptr ? *on_device : known; }
};

template <int V>
struct Sgd {
  Control control;
  float momentum, weight_decay;
  bool nesterov;
  const float* g;
  float *w, *v;  // v null: no momentum
  GRAFT_HD void operator()(std::uint32_t i) const {
    const UpdateControl c = control();
    if (c.go == 0) return;
    float grad[V], weight[V], velocity[V];
    load<V>(g + i * V, grad);
    load<V>(w + i * V, weight);
    if (v != nullptr) load<V>(v + i * V, velocity);
    for (int j = 0; j < V; ++j) {
      grad[j] += weight_decay * weight[j];
      float step = grad[j];
      if (v != nullptr) {
        velocity[j] = momentum * velocity[j] + grad[j];
        step = nesterov ? grad[j] + momentum * velocity[j] : velocity[j];
      }
      weight[j] -= c.lr * step;
    }
    if (v != nullptr) store<V>(v + i * V, velocity);
    store<V>(w + i * V, weight);
  }
};

template <int V>
struct Adam {
  Control control;
  float beta1, beta2, one_minus_beta1, one_minus_beta2, eps, coupled_decay;
  const float* g;
  float *w, *m, *v;
  GRAFT_HD void operator()(std::uint32_t i) const {
    const UpdateControl c = control();
    if (c.go == 0) return;
    float grad[V], weight[V], first[V], second[V];
    load<V>(g + i * V, grad);
    load<V>(w + i * V, weight);
    load<V>(m + i * V, first);
    load<V>(v + i * V, second);
    for (int j = 0; j < V; ++j) {
      grad[j] += coupled_decay * weight[j];
      weight[j] *= c.keep;
      first[j] = beta1 * first[j] + one_minus_beta1 * grad[j];
      second[j] = beta2 * second[j] + one_minus_beta2 * grad[j] * grad[j];
      weight[j] -= c.step_size * first[j] / (sqrtf(second[j]) * c.inv_correction2 + eps);
    }
    store<V>(m + i * V, first);
    store<V>(v + i * V, second);
    store<V>(w + i * V, weight);
  }
};

}  // namespace

void sgd_step(Context& ctx, const SgdOptions& o, const Tensor& g, Tensor& w, Tensor& v) {
  const auto run = [&]<int V>(std::integral_constant<int, V>) {
    for_each(ctx, count(w) / V,
             Sgd<V>{{update_control(o), o.control},
                    static_cast<float>(o.momentum),
                    static_cast<float>(o.weight_decay),
                    o.nesterov,
                    g.ptr<const float>(),
                    w.ptr<float>(),
                    v.ptr<float>()});
  };
  wide(w.numel(), w, g, v) ? run(std::integral_constant<int, 4>{})
                           : run(std::integral_constant<int, 1>{});
}

void adam_step(Context& ctx, const AdamOptions& o, std::int64_t step, const Tensor& g, Tensor& w,
               Tensor& m, Tensor& v) {
  const auto run = [&]<int V>(std::integral_constant<int, V>) {
    for_each(ctx, count(w) / V,
             Adam<V>{{update_control(o, step), o.control},
                     static_cast<float>(o.beta1),
                     static_cast<float>(o.beta2),
                     static_cast<float>(1 - o.beta1),
                     static_cast<float>(1 - o.beta2),
                     static_cast<float>(o.eps),
                     static_cast<float>(o.decoupled ? 0 : o.weight_decay),
                     g.ptr<const float>(),
                     w.ptr<float>(),
                     m.ptr<float>(),
                     v.ptr<float>()});
  };
  wide(w.numel(), w, g, m, v) ? run(std::integral_constant<int, 4>{})
                              : run(std::integral_constant<int, 1>{});
}

}  // namespace graft::kernels::cuda
