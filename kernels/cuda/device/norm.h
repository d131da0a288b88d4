// SPDX-License-Identifier: Apache-2.0
// What batch and group normalisation share: moments that combine, and the gradient behind the
// activation.
#pragma once

#include <cstdint>

#include "kernels/cuda/device/math.h"

namespace graft::kernels::cuda {

/// Count, mean and sum of squared distances from it. Welford (1962) one by one, Chan et al. (1979)
/// in pairs: exact to a few roundings however far the mean is from zero.
struct Moments {
  float n = 0, mean = 0, m2 = 0;

  GRAFT_HD void add(float v, float inv_n) {  // inv_n: 1 / (n + 1), shared among channels
    const float d = v - mean;
    n += 1;
    mean += d * inv_n;
    m2 += d * (v - mean);
  }
  GRAFT_HD Moments operator+(const Moments& o) const {
    if (o.n == 0) return *this;
    if (n == 0) return o;
    const float total = n + o.n, d = o.mean - mean;
    return {total, mean + d * (o.n / total), m2 + o.m2 + d * d * (n * (o.n / total))};
  }
  [[nodiscard]] GRAFT_HD float inv_std(float eps) const { return 1 / sqrtf(m2 / n + eps); }
};

/// y = act((x - mean) * scale + beta + residual), of V channels.
template <class T, int V>
struct Normalise {
  Activation act;
  const T *x, *residual;
  T* y;
  GRAFT_HD void operator()(std::uint32_t at, const float (&mean)[V], const float (&scale)[V],
                           const float (&beta)[V]) const {
    float v[V];
    load<V>(x + at, v);
    for (int j = 0; j < V; ++j) v[j] = (v[j] - mean[j]) * scale[j] + beta[j];
    if (residual != nullptr) {
      float r[V];
      load<V>(residual + at, r);
      for (int j = 0; j < V; ++j) v[j] += r[j];
    }
    for (float& e : v) e = activate(act, e);
    store<V>(y + at, v);
  }
};

/// The inputs of a backward.
template <class T>
struct NormInputs {
  Activation act;
  bool has_residual;
  const T *x, *y, *dy, *dy2;
  const float *gamma, *beta, *mean, *inv_std;

  /// g: gradient of what the activation was given; xhat: the normalised input; of V channels from
  /// `c` on, whose statistics are those of set `s` (+ j where sets are channels).
  template <int V>
  GRAFT_HD void at(std::uint32_t at, std::uint32_t c, std::uint32_t s, bool set_is_channel,
                   float (&g)[V], float (&xhat)[V]) const {
    load<V>(x + at, xhat);
    for (int j = 0; j < V; ++j) {
      const std::uint32_t set = set_is_channel ? s + j : s;
      xhat[j] = (xhat[j] - mean[set]) * inv_std[set];
    }
    load<V>(dy + at, g);
    if (dy2 != nullptr) {
      float more[V];
      load<V>(dy2 + at, more);
      for (int j = 0; j < V; ++j) g[j] += more[j];
    }
    if (act == Activation::kNone) return;
    float out[V];
    if (has_residual) {
      load<V>(y + at, out);
    } else {
      for (int j = 0; j < V; ++j) out[j] = gamma[c + j] * xhat[j] + beta[c + j];
    }
    for (int j = 0; j < V; ++j) g[j] = passes(act, out[j]) ? g[j] : 0;
  }
};

/// What an affine parameter's gradient sums, per channel.
struct AffineSums {
  float g = 0, g_xhat = 0;
  GRAFT_HD AffineSums operator+(const AffineSums& o) const { return {g + o.g, g_xhat + o.g_xhat}; }
};

}  // namespace graft::kernels::cuda
