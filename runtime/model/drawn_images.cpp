// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/drawn_images.h"

#include <cmath>
#include <numbers>

#include "engine/core/rng.h"

namespace graft {
namespace {

constexpr std::uint32_t kLevels = 256;

void draw_noise(Philox& rng, ImageU8& image) {
  for (auto& p : image.pixels) p = static_cast<std::uint8_t>(rng.below(kLevels));
}

/// One wave a channel, of up to four periods over each side.
void draw_waves(Philox& rng, ImageU8& image) {
  constexpr double kMostPeriods = 4, kMiddle = 127.5;
  for (std::size_t c = 0; c < ImageU8::kChannels; ++c) {
    const double turn = 2 * std::numbers::pi;
    const double down = turn * kMostPeriods * rng.uniform_double() / image.height;
    const double right = turn * kMostPeriods * rng.uniform_double() / image.width;
    const double phase = turn * rng.uniform_double();
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        const std::size_t i = static_cast<std::size_t>(y) * image.width + x;
        image.pixels[i * ImageU8::kChannels + c] =
            static_cast<std::uint8_t>(kMiddle * (1 + std::sin(down * y + right * x + phase)));
      }
    }
  }
}

}  // namespace

std::vector<ImageU8> drawn_images(int height, int width, int count) {
  std::vector<ImageU8> images;
  for (int i = 0; i < count; ++i) {
    ImageU8& image = images.emplace_back(height, width);
    Philox rng({.purpose = RngPurpose::kSynthetic, .id = static_cast<std::uint64_t>(i)});
    i % 2 == 0 ? draw_noise(rng, image) : draw_waves(rng, image);
  }
  return images;
}

}  // namespace graft
