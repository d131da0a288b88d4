// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "engine/core/error.h"
#include "engine/io/archive.h"

/// Any bytes are a sound table of contents or refused as a wrong model; nothing else may happen.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    (void)graft::parse_archive_index({reinterpret_cast<const char*>(data), size}, size, "fuzz");
  } catch (const graft::Error& e) {
    if (e.code() != graft::Errc::kModel) throw;
  }
  return 0;
}
