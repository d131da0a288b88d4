// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "engine/io/json.h"
#include "runtime/package/package.h"

namespace graft {

/// What a package's metadata hold.
[[nodiscard]] Json to_json(const PackageHeader& header);

/// Inverse of to_json(), under limits; everything that a runner relies on is checked. Throws
/// Error(kModel) naming `source` and the field.
[[nodiscard]] PackageHeader package_header_from_json(const Json& json, const std::string& source);

/// Throws Error(kModel), `source` and `what` first, unless `name` is 1 to 128 bytes of printable
/// text that is no path: no '/' and no '\', not "." or "..".
void check_plain_name(const std::string& name, std::string_view source, std::string_view what);

}  // namespace graft
