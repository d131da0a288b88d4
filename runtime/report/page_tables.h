// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "runtime/report/comparison.h"

namespace graft::report {

/// The page's sections with tables: results, time and cost, and with a baseline among others the
/// cost of reaching its error.
[[nodiscard]] std::string table_sections(std::span<const ComparisonRow> rows);

}  // namespace graft::report
