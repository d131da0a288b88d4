// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "engine/io/archive.h"

namespace graft::detail {

/// safetensors' name of a dtype, e.g. "F32".
[[nodiscard]] std::string_view archive_dtype_name(DType dtype);

/// The JSON text of a header as an index in order of appearance; every entry is checked by itself
/// (names, dtype, rank, extents, size = end - begin), not yet against its neighbours.
/// Throws Error(kModel).
[[nodiscard]] ArchiveIndex parse_archive_header(std::string_view text, std::string_view source);

}  // namespace graft::detail
