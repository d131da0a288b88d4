// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/data/dataset.h"

namespace graft::train {

/// Base64 with padding (RFC 4648, section 4).
[[nodiscard]] std::string base64(std::string_view bytes);

/// An example's image as a data URI, PNG, its longer side at most 64. Throws what the data set
/// throws.
[[nodiscard]] std::string thumbnail(const data::Dataset& dataset, std::int64_t id);

}  // namespace graft::train
