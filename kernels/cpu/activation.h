// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>

#include "kernels/api/common.h"

namespace graft::kernels::cpu {

/// An activation as a clamp: the loops need no cases.
struct Bounds {
  float lo, hi;
};

inline Bounds bounds_of(Activation act) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  switch (act) {
    case Activation::kNone:
      return {-kInf, kInf};
    case Activation::kRelu:
      return {0, kInf};
    case Activation::kRelu6:
      return {0, 6};
  }
  return {-kInf, kInf};
}

}  // namespace graft::kernels::cpu
