// SPDX-License-Identifier: Apache-2.0
// The only door to stb_image and stb_image_write, compiled in one file with the decoders cut down.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace graft::detail {

struct StbSize {
  int height = 0, width = 0;
};

/// Reads the header; false if there is none that is understood.
[[nodiscard]] bool stb_size(std::string_view bytes, StbSize& size);
/// Decodes to RGB; false if that fails or the size is not `expected`. to: height * width * 3.
[[nodiscard]] bool stb_decode(std::string_view bytes, const StbSize& expected,
                              std::span<std::uint8_t> to);
/// Why the last call of this thread failed.
[[nodiscard]] const char* stb_reason();
[[nodiscard]] std::string stb_encode_png(std::span<const std::uint8_t> pixels, int height,
                                         int width);

}  // namespace graft::detail
