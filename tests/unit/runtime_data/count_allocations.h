// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace graft::testing {

/// How often this program has called operator new so far.
[[nodiscard]] std::int64_t allocations();

}  // namespace graft::testing
