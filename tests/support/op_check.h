// SPDX-License-Identifier: Apache-2.0
// Runs one operator on every backend and compares it with the f64 reference.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "kernels/api/common.h"
#include "tests/support/tensors.h"

namespace graft::testing {

/// One result of an operator.
struct OpOutput {
  std::string name;
  Shape shape;
  DType dtype = DType::kF64;  ///< kF64 stands for the floating type of the run
  double terms = 1;           ///< length of the sum behind an element, see tolerance()
  Tensor initial{};           ///< what the call finds there; empty: poison
  double rel = 0;             ///< overrides tolerance(); say the observed value beside it
};

/// An operator with its inputs. `in`: f64 values that f32 holds exactly, or integers.
struct OpSpec {
  Tensors in{};
  std::vector<OpOutput> out{};
  /// Calls the operator; backward operators hand `mode` on.
  std::function<void(Context&, kernels::GradMode mode, const Tensors& in, Tensors& out)> run{};
  bool has_mode = false;  ///< results follow GradMode: kAccumulate and kSkip are checked too
  bool on_cuda = true;    ///< the CUDA backend has the operator
};

/// gtest expectations: the f32 reference, the CPU backend with 1 and 2 threads and the kernels of
/// the CUDA backend, run on the host, with aligned and with unaligned tensors, agree with the f64
/// reference; a second run gives the same bits; inputs keep their bits; nothing around any tensor
/// is written; kAccumulate adds; kSkip leaves alone. Under GRAFT_TEST_DEVICE=cuda: the same for the
/// CUDA backend on its device alone, or skipped.
void expect_matches_reference(const OpSpec& spec);

}  // namespace graft::testing
