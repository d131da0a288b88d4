// SPDX-License-Identifier: Apache-2.0
// 8-bit RGB images: decode, resize, crop, encode. One implementation for training and deployment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

/// Interleaved 8-bit RGB, rows from the top.
struct ImageU8 {
  static constexpr int kChannels = 3;
  int height = 0, width = 0;
  std::vector<std::uint8_t> pixels;  ///< (height, width, 3)

  ImageU8() = default;
  ImageU8(int h, int w)
      : height(h), width(w), pixels(static_cast<std::size_t>(h) * w * kChannels) {}
};

/// What a file may claim before anything is allocated for it.
struct ImageLimits {
  int max_side = 16384;
  std::int64_t max_pixels = std::int64_t{64} << 20;
  std::uint64_t max_file_bytes = std::uint64_t{256} << 20;
};

/// JPEG (libjpeg-turbo, accurate DCT), PNG, BMP, PGM and PPM (stb_image), told apart by their first
/// bytes. Grey becomes RGB, alpha is dropped, 16-bit PNG keeps its upper 8 bits; EXIF orientation
/// is ignored. Anything odd is Error(kData) naming `source` and the reason: CMYK, truncated or
/// damaged data (a decoder's warning counts), sizes beyond the limits.
[[nodiscard]] ImageU8 decode_image(std::string_view bytes, std::string_view source,
                                   const ImageLimits& limits = {});
/// As above, from a file; Error(kIo) if it cannot be read.
[[nodiscard]] ImageU8 decode_image_file(const std::filesystem::path& path,
                                        const ImageLimits& limits = {});

enum class ResizeFilter : std::uint8_t { kBilinear, kBicubic };

/// A filter whose support grows with the reduction (antialiased): the bits of Pillow 9.4's
/// Image.resize((width, height), BILINEAR or BICUBIC), within one level of newer ones, which may
/// resize columns first. Source: Pillow, src/libImaging/Resample.c.
[[nodiscard]] ImageU8 resize(const ImageU8& image, int height, int width,
                             ResizeFilter filter = ResizeFilter::kBilinear);

/// Shorter side to `side`, the longer in proportion, rounded down: torchvision's Resize.
/// Error(kData) if that would be more than 65536.
[[nodiscard]] ImageU8 resize_short_side(const ImageU8& image, int side,
                                        ResizeFilter filter = ResizeFilter::kBilinear);

/// The part of `image` that starts at (top, left); must lie inside.
[[nodiscard]] ImageU8 crop(const ImageU8& image, int top, int left, int height, int width);

/// The middle of `image`, black around it where it is smaller: torchvision's CenterCrop.
[[nodiscard]] ImageU8 center_crop(const ImageU8& image, int height, int width);

/// Shorter side to `size`, then the middle `size` x `size`: torchvision's Resize and CenterCrop.
[[nodiscard]] ImageU8 resize_and_center_crop(const ImageU8& image, int size);

/// `quality` 1..100, no chroma subsampling.
[[nodiscard]] std::string encode_jpeg(const ImageU8& image, int quality);
[[nodiscard]] std::string encode_png(const ImageU8& image);

}  // namespace graft
