// SPDX-License-Identifier: Apache-2.0
// Gradient check in f64: random directions, central difference. Two forwards and one backward a
// probe.
#pragma once

#include <cstdint>
#include <functional>

#include "tests/support/tensors.h"

namespace graft::testing {

/// Outputs (f64) of the function under test at inputs x (f64).
using Forward = std::function<Tensors(const Tensors& x)>;
/// Gradients of sum_i u_i . f_i(x) with respect to every input, in the inputs' order.
using Backward = std::function<Tensors(const Tensors& x, const Tensors& u)>;

struct VjpOptions {
  int probes = 8;
  double eps = 1e-6;  ///< keep inputs at least 10 eps away from kinks
  std::uint64_t seed = 1;
};

/// Worst |u.(f(x+ev)-f(x-ev))/2e - vjp(x,u).v| / max(1, |both sides|) over random (u, v), where v
/// moves all inputs at once. Correct gradients stay below 1e-7; a missing term shows as 1e-3 and
/// more.
[[nodiscard]] double vjp_gap(const Forward& forward, const Backward& backward, const Tensors& x,
                             const VjpOptions& options = {});

}  // namespace graft::testing
