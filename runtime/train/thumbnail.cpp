// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/thumbnail.h"

#include <algorithm>

#include "engine/io/image.h"

namespace graft::train {
namespace {

constexpr int kLongestSide = 64;

}  // namespace

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? static_cast<std::uint8_t>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= count ? kDigits[group >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return out;
}

std::string thumbnail(const data::Dataset& dataset, std::int64_t id) {
  const data::ImageSize size = dataset.image_size();
  ImageU8 image(size.height, size.width);
  dataset.read(id, image.pixels);
  if (const int side = std::max(size.height, size.width); side > kLongestSide) {
    image = resize(image, std::max(1, size.height * kLongestSide / side),
                   std::max(1, size.width * kLongestSide / side));
  }
  return "data:image/png;base64," + base64(encode_png(image));
}

}  // namespace graft::train
