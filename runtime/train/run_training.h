// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "runtime/train/train_options.h"
#include "runtime/train/trainer.h"

namespace graft::train {

/// Runs `graft train`: one run per seed (run directories OUT, or OUT/seed-S for several), each
/// followed by its summary.csv and report.html, at last a report over all seeds. Stops at the first
/// interrupted run. Throws what Trainer throws.
[[nodiscard]] std::vector<RunResult> run_training(const TrainOptions& options);

}  // namespace graft::train
