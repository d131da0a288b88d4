// SPDX-License-Identifier: Apache-2.0
// Process-wide settings from the environment, read once. Nothing else calls getenv.
#pragma once

#include <string>
#include <string_view>

namespace graft {

struct EnvConfig {
  bool verbose_dispatch =
      false;                ///< GRAFT_VERBOSE=dispatch: log which kernel ran and why others did not
  bool sync = false;        ///< GRAFT_SYNC=1: synchronise after every launch
  std::string forced_impl;  ///< GRAFT_IMPL=conv_fwd:ref[,op:impl...]

  /// Name of the implementation forced for `op`, or empty.
  [[nodiscard]] std::string_view forced(std::string_view op) const;
};

[[nodiscard]] const EnvConfig& env_config();

}  // namespace graft
