// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/model/model.h"

namespace graft {

/// How far folding may move an output, relative to the largest.
inline constexpr double kFoldTolerance = 1e-4;

/// The largest difference between the outputs of the inference form and of the network as written,
/// relative to the largest output, on two drawn images. Infinite if an output is finite in one of
/// the two only. Synchronises; the next run of the model plans anew.
[[nodiscard]] double folding_difference(Model& model);

/// Measures folding_difference(); above the tolerance the model is told to run as written, and a
/// warning says so.
void check_folding(Model& model, double tolerance = kFoldTolerance);

}  // namespace graft
