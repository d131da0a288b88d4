// SPDX-License-Identifier: Apache-2.0
#include "engine/io/image.h"

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft {
namespace {

using testing::fails_with;

ImageU8 gradient(int height, int width) {
  ImageU8 image(height, width);
  std::size_t i = 0;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      image.pixels[i++] = static_cast<std::uint8_t>(255 * x / width);
      image.pixels[i++] = static_cast<std::uint8_t>(255 * y / height);
      image.pixels[i++] = static_cast<std::uint8_t>(128 + 50 * x / width);
    }
  }
  return image;
}

std::string little_endian(std::uint32_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 255);
  return out;
}

/// An uncompressed 24-bit BMP of `height` x `width`, all pixels 10, 20, 30 (B, G, R).
std::string bmp(int height, int width) {
  const int row = (width * 3 + 3) / 4 * 4;
  const auto size = static_cast<std::uint32_t>(54 + row * height);
  std::string out = "BM" + little_endian(size, 4) + little_endian(0, 4) + little_endian(54, 4) +
                    little_endian(40, 4) + little_endian(static_cast<std::uint32_t>(width), 4) +
                    little_endian(static_cast<std::uint32_t>(height), 4) + little_endian(1, 2) +
                    little_endian(24, 2) + std::string(24, '\0');
  for (int y = 0; y < height; ++y) {
    std::string line;
    for (int x = 0; x < width; ++x) line += "\x0a\x14\x1e";
    line.resize(static_cast<std::size_t>(row), '\0');
    out += line;
  }
  return out;
}

TEST(Image, PngRoundTripIsExact) {
  const ImageU8 image = gradient(13, 29);
  const ImageU8 back = decode_image(encode_png(image), "x.png");
  EXPECT_EQ(back.height, 13);
  EXPECT_EQ(back.width, 29);
  EXPECT_EQ(back.pixels, image.pixels);
}

TEST(Image, JpegRoundTripIsClose) {
  const ImageU8 image = gradient(32, 48);
  const ImageU8 back = decode_image(encode_jpeg(image, 95), "x.jpg");
  ASSERT_EQ(back.pixels.size(), image.pixels.size());
  double worst = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    worst = std::max(worst, std::abs(double{1} * image.pixels[i] - back.pixels[i]));
  }
  EXPECT_LT(worst, 12);
  EXPECT_GT(worst, 0);
}

TEST(Image, BmpAndPnmAreRead) {
  const ImageU8 from_bmp = decode_image(bmp(2, 3), "x.bmp");
  EXPECT_EQ(from_bmp.pixels, (ImageU8(2, 3).pixels.size() == 18
                                  ? std::vector<std::uint8_t>{30, 20, 10, 30, 20, 10, 30, 20, 10,
                                                              30, 20, 10, 30, 20, 10, 30, 20, 10}
                                  : std::vector<std::uint8_t>{}));
  EXPECT_EQ(decode_image("P6 # c\n2 1\n255\nabcdef", "x.ppm").pixels,
            (std::vector<std::uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'}));
  EXPECT_EQ(decode_image("P5\n2 1\n255\nab", "x.pgm").pixels,
            (std::vector<std::uint8_t>{'a', 'a', 'a', 'b', 'b', 'b'}));
}

/// Cuts a sound file at every length; none may be read as an image.
void expect_truncation_refused(const std::string& bytes, std::size_t spare_end) {
  for (std::size_t n = 0; n + spare_end < bytes.size(); n += 1 + bytes.size() / 97) {
    EXPECT_TRUE(
        fails_with(Errc::kData, {"cut"}, [&] { (void)decode_image(bytes.substr(0, n), "cut"); }))
        << n << " of " << bytes.size();
  }
}

TEST(Image, TruncatedFilesAreRefused) {
  expect_truncation_refused(encode_jpeg(gradient(64, 64), 90), 2);  // the end marker alone may go
  expect_truncation_refused(encode_png(gradient(40, 40)), 16);      // as may checksum and end chunk
  expect_truncation_refused(bmp(20, 21), 0);
  expect_truncation_refused("P6\n4 4\n255\n" + std::string(48, 'x'), 0);
}

TEST(Image, DamagedJpegIsRefused) {
  std::string bytes = encode_jpeg(gradient(64, 64), 90);
  for (std::size_t i = bytes.size() / 2; i < bytes.size() / 2 + 40; ++i) bytes[i] = '\xff';
  EXPECT_TRUE(fails_with(Errc::kData, {"x.jpg", "damaged JPEG"},
                         [&] { (void)decode_image(bytes, "x.jpg"); }));
}

TEST(Image, UnknownAndEmptyFilesAreNamed) {
  EXPECT_TRUE(fails_with(Errc::kData, {"x", "empty"}, [] { (void)decode_image("", "x"); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"a.gif", "neither JPEG"},
                         [] { (void)decode_image("GIF89a....", "a.gif"); }));
  EXPECT_TRUE(
      fails_with(Errc::kData, {"neither JPEG"}, [] { (void)decode_image("8BPS\0\1", "a.psd"); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"1023 levels"},
                         [] { (void)decode_image("P5\n1 1\n1023\nab", "x"); }));
}

/// A header that claims much is refused before anything of that size is allocated.
TEST(Image, BombsAreRefusedByTheirHeader) {
  std::string png = encode_png(gradient(8, 8));
  const auto set_side = [&](std::size_t at, std::uint32_t n) {  // big endian, in IHDR
    for (int i = 0; i < 4; ++i)
      png[at + static_cast<std::size_t>(i)] = static_cast<char>(n >> (24 - 8 * i));
  };
  set_side(16, 60000);
  set_side(20, 60000);
  EXPECT_TRUE(fails_with(Errc::kData, {"bomb"}, [&] { (void)decode_image(png, "bomb"); }));
  set_side(16, 16000);
  set_side(20, 16000);
  EXPECT_TRUE(
      fails_with(Errc::kData, {"bomb", "16000 x 16000"}, [&] { (void)decode_image(png, "bomb"); }));
  std::string jpeg = encode_jpeg(gradient(8, 8), 90);
  const std::size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  for (const std::size_t i : {5u, 6u, 7u, 8u}) jpeg[frame + i] = '\xea';  // 60138 x 60138
  EXPECT_TRUE(fails_with(Errc::kData, {"bomb", "60138 x 60138"},
                         [&] { (void)decode_image(jpeg, "bomb"); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"bomb", "900000 x 900000"},
                         [] { (void)decode_image("P6\n900000 900000\n255\nx", "bomb"); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"10 x 10"}, [] {
    (void)decode_image(encode_png(gradient(10, 10)), "x", {.max_pixels = 99});
  }));
}

TEST(Image, CmykJpegIsRefusedWithTheReason) {
  // The markers of a CMYK JPEG up to its scan: 8 x 8, four components, Adobe marker without
  // transform.
  using namespace std::string_literals;
  std::string bytes =
      "\xff\xd8\xff\xee\0\x0e"s + "Adobe\0\x64\0\0\0\0\0"s +
      "\xff\xc0\0\x14\x08\0\x08\0\x08\x04\x01\x11\0\x02\x11\0\x03\x11\0\x04\x11\0"s +
      "\xff\xda\0\x0e\x04\x01\0\x02\0\x03\0\x04\0\0\x3f\0"s;
  EXPECT_TRUE(
      fails_with(Errc::kData, {"x.jpg", "CMYK"}, [&] { (void)decode_image(bytes, "x.jpg"); }));
}

TEST(Image, FilesAreReadAndMissingOnesNamed) {
  const testing::TempFolder folder;
  atomic_write(folder / "a.png", encode_png(gradient(5, 6)));
  EXPECT_EQ(decode_image_file(folder / "a.png").pixels, gradient(5, 6).pixels);
  EXPECT_TRUE(fails_with(Errc::kIo, {"b.png"}, [&] { (void)decode_image_file(folder / "b.png"); }));
}

}  // namespace
}  // namespace graft
