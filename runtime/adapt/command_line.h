// SPDX-License-Identifier: Apache-2.0
// Options back into the command lines of child processes.
#pragma once

#include <string>
#include <vector>

#include "runtime/adapt/adapt_options.h"
#include "runtime/train/train_options.h"

namespace graft::adapt {

/// The arguments with which `graft` trains with exactly `options`, whatever the environment says.
[[nodiscard]] std::vector<std::string> train_command(const train::TrainOptions& options);

/// Likewise for `graft adapt`.
[[nodiscard]] std::vector<std::string> adapt_command(const AdaptOptions& options,
                                                     const train::TrainOptions& trial);

}  // namespace graft::adapt
