// SPDX-License-Identifier: Apache-2.0
#include "engine/io/detail/stb.h"

#include <algorithm>
#include <memory>

#include "engine/core/error.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wpedantic"
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_PNM
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 16384
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace graft::detail {
namespace {

constexpr int kChannels = 3;

struct StbDeleter {
  void operator()(stbi_uc* data) const { stbi_image_free(data); }
};

const stbi_uc* as_stb(std::string_view bytes) {
  return reinterpret_cast<const stbi_uc*>(bytes.data());
}

}  // namespace

bool stb_size(std::string_view bytes, StbSize& size) {
  int channels = 0;
  return stbi_info_from_memory(as_stb(bytes), static_cast<int>(bytes.size()), &size.width,
                               &size.height, &channels) == 1;
}

bool stb_decode(std::string_view bytes, const StbSize& expected, std::span<std::uint8_t> to) {
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, StbDeleter> data(stbi_load_from_memory(
      as_stb(bytes), static_cast<int>(bytes.size()), &width, &height, &channels, kChannels));
  if (!data || width != expected.width || height != expected.height) return false;
  std::copy_n(data.get(), to.size(), to.data());
  return true;
}

const char* stb_reason() {
  const char* reason = stbi_failure_reason();
  return reason == nullptr ? "unknown" : reason;
}

std::string stb_encode_png(std::span<const std::uint8_t> pixels, int height, int width) {
  std::string out;
  const auto append = [](void* to, void* data, int bytes) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data),
                                          static_cast<std::size_t>(bytes));
  };
  const int ok = stbi_write_png_to_func(append, &out, width, height, kChannels, pixels.data(),
                                        width * kChannels);
  GRAFT_CHECK(ok != 0, "PNG encoder refused an image of ", width, " x ", height);
  return out;
}

}  // namespace graft::detail
