// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/view.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/core/error.h"
#include "engine/core/text.h"

namespace graft::run {
namespace {

/// First pixel and number of pixels of [from, from + share) of `side`.
std::pair<int, int> pixels(double from, double share, int side) {
  const int first = std::min(static_cast<int>(std::lround(from * side)), side - 1);
  const int end = static_cast<int>(std::lround((from + share) * side));
  return {first, std::clamp(end - first, 1, side - first)};
}

}  // namespace

std::pair<std::string, View> parse_view(std::string_view text) {
  constexpr std::size_t kNumbers = 4;
  constexpr double kRounding = 1e-9;  // 0.7 + 0.3 may be a little more than 1
  const auto equals = text.rfind('=');
  const auto refuse = [&text]() {
    fail(Errc::kUsage, "--crop ", text,
         ": expected APP=LEFT,TOP,WIDTH,HEIGHT in shares of the picture, e.g. cars=0,0.5,1,0.5");
  };
  if (equals == text.npos || equals == 0) refuse();
  const auto words = split(std::string(text.substr(equals + 1)), ',');
  if (words.size() != kNumbers) refuse();
  std::array<double, kNumbers> v{};
  for (std::size_t i = 0; i < kNumbers; ++i) {
    const auto number = parse_double(words[i]);
    if (!number || !(*number >= 0 && *number <= 1)) refuse();
    v[i] = *number;
  }
  const View view{.left = v[0], .top = v[1], .width = v[2], .height = v[3]};
  if (view.width <= 0 || view.height <= 0 || view.left + view.width > 1 + kRounding ||
      view.top + view.height > 1 + kRounding) {
    refuse();
  }
  return {std::string(text.substr(0, equals)), view};
}

ImageU8 cut(const View& view, const ImageU8& image) {
  const auto [left, width] = pixels(view.left, view.width, image.width);
  const auto [top, height] = pixels(view.top, view.height, image.height);
  return crop(image, top, left, height, width);
}

}  // namespace graft::run
