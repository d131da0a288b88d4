// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "engine/core/error.h"
#include "models/onnx/import.h"

/// Any bytes are imported or refused as a wrong model; nothing else may happen.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    (void)graft::onnx::import_model({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const graft::Error& e) {
    if (e.code() != graft::Errc::kModel) throw;
  }
  return 0;
}
