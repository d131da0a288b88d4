// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "runtime/data/augment.h"
#include "runtime/data/dataset.h"
#include "runtime/train/network.h"

namespace graft::train {

struct Evaluation {
  double loss = 0;   ///< mean cross-entropy
  double error = 1;  ///< fraction of wrong first guesses
  std::int64_t examples = 0;
};

/// Runs all of `dataset` through the network in evaluation mode, `batch` examples at a time;
/// nothing changes.
[[nodiscard]] Evaluation evaluate(Network& network, const data::DatasetPtr& dataset,
                                  const data::AugmentOptions& augment, std::int64_t batch);

}  // namespace graft::train
