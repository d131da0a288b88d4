// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "engine/io/json.h"

namespace graft::run {

struct TopOptions {
  int width = 100, height = 40;  ///< of the terminal, in characters
  bool colour = false;
};

/// A run's status (to_json(RunStatus)) as lines of text, none wider or more than the terminal.
[[nodiscard]] std::string top_view(const Json& status, const TopOptions& options);

}  // namespace graft::run
