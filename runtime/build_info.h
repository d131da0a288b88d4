// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/json.h"

namespace graft {

/// Version, compiler, oneDNN, CUDA and file-format numbers of this build: for `graft version` and
/// run.json.
[[nodiscard]] Json build_info();

}  // namespace graft
