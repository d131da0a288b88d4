// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "runtime/report/comparison.h"

namespace graft::report {

/// The page's sections drawn from the records of probes; a section without records is left out.
[[nodiscard]] std::string probe_sections(std::span<const Group> groups);

}  // namespace graft::report
