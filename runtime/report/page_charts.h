// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "runtime/report/comparison.h"

namespace graft::report {

/// The page's sections with charts, each with its legend. `rows`: what compare() makes of `groups`.
[[nodiscard]] std::string chart_sections(std::span<const Group> groups,
                                         std::span<const ComparisonRow> rows);

}  // namespace graft::report
