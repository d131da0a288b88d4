// SPDX-License-Identifier: Apache-2.0
// What every reference kernel needs: gradient modes and activations, in f64.
#pragma once

#include <cstdint>

#include "kernels/api/common.h"

namespace graft::kernels::ref {

/// out = g or out += g; kSkip never touches `out`.
template <class T>
void store(GradMode mode, T* out, std::int64_t i, double g) {
  if (mode == GradMode::kOverwrite) out[i] = static_cast<T>(g);
  if (mode == GradMode::kAccumulate) out[i] = static_cast<T>(static_cast<double>(out[i]) + g);
}

inline double activate(Activation act, double v) {
  switch (act) {
    case Activation::kNone:
      return v;
    // Written so that NaN stays NaN: a broken input must reach the loss.
    case Activation::kRelu:
      return v < 0 ? 0 : v;
    case Activation::kRelu6:
      return v < 0 ? 0 : (v > 6 ? 6 : v);
  }
  return v;
}

/// Derivative of `act`; `v` is its input or its output, the answer is the same.
inline double slope(Activation act, double v) {
  switch (act) {
    case Activation::kNone:
      return 1;
    case Activation::kRelu:
      return v > 0 ? 1 : 0;
    case Activation::kRelu6:
      return v > 0 && v < 6 ? 1 : 0;
  }
  return 1;
}

}  // namespace graft::kernels::ref
