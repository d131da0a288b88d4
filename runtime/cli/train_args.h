// SPDX-License-Identifier: Apache-2.0
// The options of training as every command that trains takes them.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "runtime/train/train_options.h"

namespace graft::cli {

struct TrainArgs {
  train::TrainOptions options;
  std::string config;
  std::vector<std::string> set;

  /// The options with every --set applied; call it once, after parsing. Throws Error(kUsage) for a
  /// bad assignment or a missing --out.
  const train::TrainOptions& resolve();
};

/// Adds a flag an option, --config and --set to `app`, and takes in the --config file and the
/// environment if `arguments`, the whole command line, chooses `app`. Throws Error(kUsage,
/// kConfig).
void add_train_flags(CLI::App& app, TrainArgs& args, const std::vector<std::string>& arguments);

}  // namespace graft::cli
