// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "engine/io/json.h"
#include "runtime/report/comparison.h"

namespace graft::report {

/// {"arms": [...], "seconds_basis": ...}: the file table.json of a comparison, one arm a group.
/// What was not measured or not reached is null; ratios are to the baseline, null without one.
[[nodiscard]] Json table_json(std::span<const Group> groups);

}  // namespace graft::report
