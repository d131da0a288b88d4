// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "engine/io/image.h"
#include "engine/io/json.h"
#include "tests/support/fails_with.h"

namespace graft {
namespace {

std::vector<std::uint8_t> from_hex(const std::string& text) {
  std::vector<std::uint8_t> out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return out;
}

/// The issue asks for 1/255; the fixed-point arithmetic is Pillow's, so the bits are.
TEST(Resize, EqualsPillowBilinear) {
  const std::string path = std::string(GRAFT_ORACLE_DIR) + "/resize_pillow.json";
  const Json fixture = parse_json(read_file(path), path);
  ASSERT_GE(fixture["cases"].size(), 8u);
  for (const Json& c : fixture["cases"]) {
    ImageU8 image(c["from"][0], c["from"][1]);
    image.pixels = from_hex(c["in"]);
    const ImageU8 resized = resize(image, c["to"][0], c["to"][1]);
    EXPECT_EQ(resized.height, c["to"][0]);
    EXPECT_EQ(resized.width, c["to"][1]);
    EXPECT_EQ(resized.pixels, from_hex(c["out"])) << c["from"] << " to " << c["to"];
  }
}

TEST(Resize, SameSizeIsTheSameImage) {
  ImageU8 image(3, 2);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(resize(image, 3, 2).pixels, image.pixels);
}

TEST(Resize, AConstantImageStaysConstant) {
  ImageU8 image(50, 40);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{200});
  for (const std::uint8_t p : resize(image, 13, 61).pixels) ASSERT_EQ(p, 200);
}

TEST(Crop, TakesThePartAsked) {
  ImageU8 image(4, 5);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(i);
  const ImageU8 part = crop(image, 1, 2, 2, 3);
  EXPECT_EQ(part.pixels.front(), (1 * 5 + 2) * 3);
  EXPECT_EQ(part.pixels.back(), (2 * 5 + 4) * 3 + 2);
  EXPECT_TRUE(testing::fails_with(Errc::kInvalidArgument, {"crop"},
                                  [&] { (void)crop(image, 3, 0, 2, 2); }));
}

TEST(Crop, ResizeAndCenterCropIsSquareForBothOrientations) {
  for (const auto& [h, w] : {std::pair{299, 224}, std::pair{224, 299}, std::pair{7, 640}}) {
    const ImageU8 out = resize_and_center_crop(ImageU8(h, w), 33);
    EXPECT_EQ(out.height, 33);
    EXPECT_EQ(out.width, 33);
  }
}

}  // namespace
}  // namespace graft
