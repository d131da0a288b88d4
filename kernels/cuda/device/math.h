// SPDX-License-Identifier: Apache-2.0
// Scalar arithmetic of the kernels, the same on the host and on the device: bf16, gradient modes,
// activations, and loads and stores of a few neighbours at once. Everything is computed in f32.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "engine/core/rng.h"
#include "engine/tensor/dtype.h"
#include "kernels/api/common.h"

namespace graft::kernels::cuda {

GRAFT_HD inline std::uint32_t bits_of(float v) {
  std::uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

GRAFT_HD inline float to_float(float v) { return v; }
GRAFT_HD inline float to_float(BFloat16 v) {
  const std::uint32_t bits = std::uint32_t{v.bits} << 16;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

template <class T>
GRAFT_HD T from_float(float v);
template <>
GRAFT_HD inline float from_float<float>(float v) {
  return v;
}
/// Rounds to the nearest, ties to even; NaN stays NaN.
template <>
GRAFT_HD inline BFloat16 from_float<BFloat16>(float v) {
  const std::uint32_t bits = bits_of(v);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return {static_cast<std::uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16)};
}

/// V neighbours, moved as one access of up to 16 bytes.
template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T v[V];
};

template <int V, class T>
GRAFT_HD void load(const T* p, float (&out)[V]) {
  const auto pack = *reinterpret_cast<const Pack<T, V>*>(p);
  for (int j = 0; j < V; ++j) out[j] = to_float(pack.v[j]);
}

template <int V, class T>
GRAFT_HD void store(T* p, const float (&in)[V]) {
  Pack<T, V> pack;
  for (int j = 0; j < V; ++j) pack.v[j] = from_float<T>(in[j]);
  *reinterpret_cast<Pack<T, V>*>(p) = pack;
}

/// p = g or p += g; kSkip never touches p.
template <int V, class T>
GRAFT_HD void store_grad(GradMode mode, T* p, const float (&g)[V]) {
  if (mode == GradMode::kSkip) return;
  if (mode == GradMode::kOverwrite) {
    store<V>(p, g);
    return;
  }
  float sum[V];
  load<V>(p, sum);
  for (int j = 0; j < V; ++j) sum[j] += g[j];
  store<V>(p, sum);
}

/// Written so that NaN stays NaN: a broken input must reach the loss.
GRAFT_HD inline float activate(Activation act, float v) {
  if (act == Activation::kNone) return v;
  if (v < 0) return 0;
  return act == Activation::kRelu6 && v > 6 ? 6.0f : v;
}

/// Whether the gradient passes `act`; `v` is its input or its output, the answer is the same.
GRAFT_HD inline bool passes(Activation act, float v) {
  if (act == Activation::kNone) return true;
  return v > 0 && (act != Activation::kRelu6 || v < 6);
}

}  // namespace graft::kernels::cuda
