// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <limits>
#include <string_view>

#include <nlohmann/json.hpp>

#include "engine/core/error.h"

namespace graft {

/// A JSON document whose objects keep their order of insertion.
using Json = nlohmann::ordered_json;

/// What a document may cost. Members are bounded because looking a key up is linear; elements,
/// where a reader bounds them, because each takes many times its text in memory.
struct JsonLimits {
  std::size_t max_bytes = std::size_t{64} << 20;
  std::size_t max_depth = 64;      ///< nested objects and arrays
  std::size_t max_members = 4096;  ///< members of one object
  std::size_t max_elements = std::numeric_limits<std::size_t>::max();  ///< of one array
};

/// Parses one strict JSON document (no comments, no duplicate keys) that came from `source`, a path
/// for messages. Throws Error(code) naming the source, the byte offset and the last key read.
[[nodiscard]] Json parse_json(std::string_view text, std::string_view source,
                              Errc code = Errc::kConfig, const JsonLimits& limits = {});

}  // namespace graft
