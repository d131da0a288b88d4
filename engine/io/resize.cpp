// SPDX-License-Identifier: Apache-2.0
// Pillow's 8-bit resampling, bit by bit: weights in f64, rounded to 22 fractional bits,
// rows first, an 8-bit image in between. Source: Pillow 9.4, src/libImaging/Resample.c.
#include <algorithm>
#include <cmath>

#include "engine/core/error.h"
#include "engine/io/image.h"

namespace graft {
namespace {

constexpr int kFractionBits = 22;  // 32 bits less 8 of the pixel, less 2 of headroom
constexpr int kChannels = ImageU8::kChannels;

/// For every output position the first input position and the weights from there on.
struct Taps {
  int width = 0;  ///< weights per output position, unused ones are 0
  std::vector<int> first, count;
  std::vector<std::int32_t> weight;
};

/// An even function that is 0 beyond `radius`.
struct Filter {
  double radius;
  double (*value)(double x);
};

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

/// Keys 1981 with a = -0.5.
double cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0;
}

Filter filter_of(ResizeFilter filter) {
  return filter == ResizeFilter::kBilinear ? Filter{1, triangle} : Filter{2, cubic};
}

Taps make_taps(const Filter& filter, int from, int to) {
  const double scale = static_cast<double>(from) / to;
  const double filter_scale = std::max(scale, 1.0);  // enlarging does not narrow the filter
  const double support = filter.radius * filter_scale;
  Taps taps;
  taps.width = static_cast<int>(std::ceil(support)) * 2 + 1;
  taps.weight.resize(static_cast<std::size_t>(taps.width) * to);
  std::vector<double> weight(static_cast<std::size_t>(taps.width));
  for (int x = 0; x < to; ++x) {
    const double center = (x + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int end = std::min(from, static_cast<int>(center + support + 0.5));
    double sum = 0;
    for (int i = first; i < end; ++i) {
      const double w = filter.value((i - center + 0.5) * (1.0 / filter_scale));
      weight[static_cast<std::size_t>(i - first)] = w;
      sum += w;
    }
    for (int i = 0; i < end - first; ++i) {
      const double w = weight[static_cast<std::size_t>(i)] / sum;
      taps.weight[static_cast<std::size_t>(x) * taps.width + i] =
          static_cast<std::int32_t>((w < 0 ? -0.5 : 0.5) + w * (1 << kFractionBits));
    }
    taps.first.push_back(first);
    taps.count.push_back(end - first);
  }
  return taps;
}

/// Rounds to 8 bits and clamps.
std::uint8_t to_u8(std::int32_t fixed) {
  return static_cast<std::uint8_t>(std::clamp(fixed >> kFractionBits, 0, 255));
}

constexpr std::int32_t kHalf = 1 << (kFractionBits - 1);

ImageU8 resize_rows(const Filter& filter, const ImageU8& image, int width) {
  const Taps taps = make_taps(filter, image.width, width);
  ImageU8 out(image.height, width);
  std::uint8_t* to = out.pixels.data();
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* row =
        image.pixels.data() + static_cast<std::size_t>(y) * image.width * kChannels;
    for (int x = 0; x < width; ++x) {
      const auto at = static_cast<std::size_t>(x);
      const std::int32_t* weight = taps.weight.data() + at * taps.width;
      const std::uint8_t* from = row + static_cast<std::size_t>(taps.first[at]) * kChannels;
      std::int32_t sum[kChannels] = {kHalf, kHalf, kHalf};
      for (int i = 0; i < taps.count[at]; ++i) {
        for (int c = 0; c < kChannels; ++c) sum[c] += weight[i] * *from++;
      }
      for (const std::int32_t s : sum) *to++ = to_u8(s);
    }
  }
  return out;
}

ImageU8 resize_columns(const Filter& filter, const ImageU8& image, int height) {
  const Taps taps = make_taps(filter, image.height, height);
  const std::size_t row_values = static_cast<std::size_t>(image.width) * kChannels;
  ImageU8 out(height, image.width);
  std::vector<std::int32_t> sum(row_values);
  for (int y = 0; y < height; ++y) {
    const auto at = static_cast<std::size_t>(y);
    std::fill(sum.begin(), sum.end(), kHalf);
    for (int i = 0; i < taps.count[at]; ++i) {
      const std::int32_t w = taps.weight[at * taps.width + i];
      const std::uint8_t* row =
          image.pixels.data() + static_cast<std::size_t>(taps.first[at] + i) * row_values;
      for (std::size_t x = 0; x < row_values; ++x) sum[x] += w * row[x];
    }
    std::transform(sum.begin(), sum.end(), out.pixels.data() + at * row_values, to_u8);
  }
  return out;
}

}  // namespace

ImageU8 resize(const ImageU8& image, int height, int width, ResizeFilter filter) {
  GRAFT_CHECK(image.height >= 1 && image.width >= 1 && height >= 1 && width >= 1, "resize ",
              image.width, " x ", image.height, " to ", width, " x ", height);
  const Filter f = filter_of(filter);
  const bool same_width = image.width == width, same_height = image.height == height;
  if (same_width && same_height) return image;
  if (same_width) return resize_columns(f, image, height);
  if (same_height) return resize_rows(f, image, width);
  return resize_columns(f, resize_rows(f, image, width), height);
}

ImageU8 resize_short_side(const ImageU8& image, int side, ResizeFilter filter) {
  GRAFT_CHECK(image.height >= 1 && image.width >= 1, "resize of an empty image");
  const auto longer = [&](int longer_side, int shorter_side) {
    constexpr std::int64_t kLargestSide = 65536;
    const std::int64_t scaled = static_cast<std::int64_t>(side) * longer_side / shorter_side;
    if (scaled > kLargestSide) {
      fail(Errc::kData, "an image of ", image.width, " x ", image.height,
           " is too narrow: brought to ", side, " its longer side would be ", scaled, ", at most ",
           kLargestSide);
    }
    return static_cast<int>(scaled);
  };
  const bool tall = image.height > image.width;
  return resize(image, tall ? longer(image.height, image.width) : side,
                tall ? side : longer(image.width, image.height), filter);
}

}  // namespace graft
