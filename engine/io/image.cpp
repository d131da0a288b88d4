// SPDX-License-Identifier: Apache-2.0
#include "engine/io/image.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>
#include <optional>

#include <turbojpeg.h>

#include "engine/core/error.h"
#include "engine/io/detail/stb.h"
#include "engine/io/file.h"

namespace graft {
namespace {

struct JpegDeleter {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using JpegHandle = std::unique_ptr<void, JpegDeleter>;

struct JpegBufferDeleter {
  void operator()(unsigned char* data) const { tjFree(data); }
};

const unsigned char* as_uchar(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

[[noreturn]] void reject(std::string_view source, const std::string& reason) {
  fail(Errc::kData, source, ": ", reason);
}

void check_size(std::int64_t height, std::int64_t width, std::string_view source,
                const ImageLimits& limits) {
  if (height < 1 || width < 1) reject(source, detail::cat("image of ", width, " x ", height));
  if (height > limits.max_side || width > limits.max_side || height * width > limits.max_pixels) {
    reject(source,
           detail::cat("image of ", width, " x ", height, " pixels; at most ", limits.max_side,
                       " a side and ", limits.max_pixels, " in all are decoded"));
  }
}

ImageU8 decode_jpeg(std::string_view bytes, std::string_view source, const ImageLimits& limits) {
  const JpegHandle jpeg(tjInitDecompress());
  if (!jpeg) fail(Errc::kOutOfMemory, "no memory for a JPEG decoder");
  int width = 0, height = 0, sampling = 0, colours = 0;
  if (tjDecompressHeader3(jpeg.get(), as_uchar(bytes), bytes.size(), &width, &height, &sampling,
                          &colours) != 0) {
    reject(source, detail::cat("damaged JPEG header: ", tjGetErrorStr2(jpeg.get())));
  }
  check_size(height, width, source, limits);
  if (colours == TJCS_CMYK || colours == TJCS_YCCK) {
    reject(source, "CMYK JPEG, which has no one meaning in RGB; convert the file to RGB");
  }
  ImageU8 image(height, width);
  // A warning means that data are missing or damaged and grey was put in their place.
  constexpr int kFlags = TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;
  if (tjDecompress2(jpeg.get(), as_uchar(bytes), bytes.size(), image.pixels.data(), width,
                    /*pitch=*/0, height, TJPF_RGB, kFlags) != 0) {
    reject(source, detail::cat("damaged JPEG: ", tjGetErrorStr2(jpeg.get())));
  }
  return image;
}

std::uint32_t little_endian(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = count; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

/// stb_image fills a truncated BMP with black; this refuses it.
void check_bmp_length(std::string_view bytes, std::string_view source, int height, int width) {
  constexpr std::size_t kOffsetAt = 10, kDepthAt = 28, kHeaderBytes = 30;
  if (bytes.size() < kHeaderBytes) reject(source, "truncated BMP header");
  const std::uint64_t depth = little_endian(bytes, kDepthAt, 2);
  const std::uint64_t row_bytes = (static_cast<std::uint64_t>(width) * depth + 31) / 32 * 4;
  const std::uint64_t needed =
      little_endian(bytes, kOffsetAt, 4) + row_bytes * static_cast<std::uint64_t>(height);
  if (bytes.size() < needed) {
    reject(source, detail::cat("truncated BMP: ", bytes.size(), " of ", needed, " bytes"));
  }
}

/// Reads the next number of a PNM header, after white space and comments.
std::optional<std::uint64_t> pnm_number(std::string_view bytes, std::size_t& at) {
  constexpr std::uint64_t kLargest = 1'000'000;
  while (at < bytes.size() && (std::isspace(as_uchar(bytes)[at]) != 0 || bytes[at] == '#')) {
    if (bytes[at] == '#') at = std::min(bytes.find('\n', at), bytes.size() - 1);
    ++at;
  }
  std::uint64_t value = 0;
  const std::size_t begin = at;
  for (; at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9'; ++at) {
    value = value * 10 + static_cast<std::uint64_t>(bytes[at] - '0');
    if (value > kLargest) return std::nullopt;
  }
  return at > begin ? std::optional(value) : std::nullopt;
}

/// stb_image 2.27 returns uninitialised memory for a truncated PNM, and does not scale levels.
void check_pnm(std::string_view bytes, std::string_view source) {
  std::size_t at = 2;
  const auto width = pnm_number(bytes, at), height = pnm_number(bytes, at);
  const auto levels = pnm_number(bytes, at);
  if (!width || !height || !levels) reject(source, "damaged PNM header");
  if (*levels != 255) reject(source, detail::cat("PNM with ", *levels, " levels; 255 are read"));
  const std::uint64_t needed = at + 1 + *width * *height * (bytes[1] == '6' ? 3 : 1);
  if (bytes.size() < needed) {
    reject(source, detail::cat("truncated PNM: ", bytes.size(), " of ", needed, " bytes"));
  }
}

ImageU8 decode_with_stb(std::string_view bytes, std::string_view source,
                        const ImageLimits& limits) {
  detail::StbSize size;
  if (!detail::stb_size(bytes, size)) {
    reject(source, detail::cat("damaged image header: ", detail::stb_reason()));
  }
  check_size(size.height, size.width, source, limits);
  if (bytes.starts_with("BM")) check_bmp_length(bytes, source, size.height, size.width);
  if (bytes.starts_with("P5") || bytes.starts_with("P6")) check_pnm(bytes, source);
  ImageU8 image(size.height, size.width);
  if (!detail::stb_decode(bytes, size, image.pixels)) {
    reject(source, detail::cat("damaged image: ", detail::stb_reason()));
  }
  return image;
}

}  // namespace

ImageU8 decode_image(std::string_view bytes, std::string_view source, const ImageLimits& limits) {
  using namespace std::string_view_literals;
  if (bytes.empty()) reject(source, "the file is empty");
  if (bytes.size() > limits.max_file_bytes) {
    reject(source,
           detail::cat(bytes.size(), " bytes; at most ", limits.max_file_bytes, " are decoded"));
  }
  if (bytes.starts_with("\xFF\xD8"sv)) return decode_jpeg(bytes, source, limits);
  for (const auto magic : {"\x89PNG"sv, "BM"sv, "P5"sv, "P6"sv}) {
    if (bytes.starts_with(magic)) return decode_with_stb(bytes, source, limits);
  }
  reject(source, "neither JPEG, PNG, BMP, PGM nor PPM");
}

ImageU8 decode_image_file(const std::filesystem::path& path, const ImageLimits& limits) {
  return decode_image(read_file(path, limits.max_file_bytes), path.string(), limits);
}

ImageU8 crop(const ImageU8& image, int top, int left, int height, int width) {
  GRAFT_CHECK(top >= 0 && left >= 0 && height >= 1 && width >= 1 && top + height <= image.height &&
                  left + width <= image.width,
              "crop ", width, " x ", height, " at (", top, ", ", left, ") of ", image.width, " x ",
              image.height);
  ImageU8 out(height, width);
  const std::size_t row_bytes = static_cast<std::size_t>(width) * ImageU8::kChannels;
  for (int y = 0; y < height; ++y) {
    const std::size_t from =
        (static_cast<std::size_t>(top + y) * image.width + left) * ImageU8::kChannels;
    std::memcpy(out.pixels.data() + static_cast<std::size_t>(y) * row_bytes,
                image.pixels.data() + from, row_bytes);
  }
  return out;
}

ImageU8 center_crop(const ImageU8& image, int height, int width) {
  if (image.height < height || image.width < width) {
    ImageU8 padded(std::max(image.height, height), std::max(image.width, width));
    const int top = (padded.height - image.height) / 2, left = (padded.width - image.width) / 2;
    const auto row_bytes = static_cast<std::size_t>(image.width) * ImageU8::kChannels;
    for (int y = 0; y < image.height; ++y) {
      const auto to = (static_cast<std::size_t>(top + y) * padded.width + left);
      std::copy_n(image.pixels.data() + y * row_bytes, row_bytes,
                  padded.pixels.data() + to * ImageU8::kChannels);
    }
    return center_crop(padded, height, width);
  }
  // Python rounds halves to even.
  const auto margin = [](int excess) { return excess / 2 + (excess % 4 == 3 ? 1 : 0); };
  return crop(image, margin(image.height - height), margin(image.width - width), height, width);
}

ImageU8 resize_and_center_crop(const ImageU8& image, int size) {
  return center_crop(resize_short_side(image, size), size, size);
}

std::string encode_jpeg(const ImageU8& image, int quality) {
  const JpegHandle jpeg(tjInitCompress());
  if (!jpeg) fail(Errc::kOutOfMemory, "no memory for a JPEG encoder");
  unsigned char* data = nullptr;
  unsigned long bytes = 0;  // NOLINT(google-runtime-int): turbojpeg's type
  const int status =
      tjCompress2(jpeg.get(), image.pixels.data(), image.width, /*pitch=*/0, image.height, TJPF_RGB,
                  &data, &bytes, TJSAMP_444, quality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, JpegBufferDeleter> owner(data);
  GRAFT_CHECK(status == 0, "JPEG encoder: ", tjGetErrorStr2(jpeg.get()));
  return {reinterpret_cast<const char*>(data), bytes};
}

std::string encode_png(const ImageU8& image) {
  return detail::stb_encode_png(image.pixels, image.height, image.width);
}

}  // namespace graft
