// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "runtime/report/comparison.h"

namespace graft::report {

/// The page's sections with charts, each with its legend. `baseline` may be null: no target line.
[[nodiscard]] std::string chart_sections(std::span<const Group> groups,
                                         const ComparisonRow* baseline);

}  // namespace graft::report
