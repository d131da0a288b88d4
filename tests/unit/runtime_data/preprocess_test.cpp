// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/preprocess.h"

#include <cmath>
#include <cstdlib>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "tests/support/fails_with.h"

namespace graft::data {
namespace {

using testing::fails_with;

std::vector<std::uint8_t> from_hex(const std::string& text) {
  std::vector<std::uint8_t> out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return out;
}

/// The fixture's Pillow may resize columns first, which moves a level by one.
TEST(Preprocess, IsWithinOneLevelOfPillow) {
  const std::string path = std::string(GRAFT_ORACLE_DIR) + "/preprocess_pillow.json";
  const Json fixture = parse_json(read_file(path), path);
  ASSERT_GE(fixture["cases"].size(), 10u);
  for (const Json& c : fixture["cases"]) {
    const Preprocess p =
        parse_preprocess(c["preprocess"].get<std::string>(), c["to"][0], c["to"][1]);
    ImageU8 image(c["from"][0], c["from"][1]);
    image.pixels = from_hex(c["in"]);
    const auto want = from_hex(c["out"]);
    std::vector<float> got(want.size());
    apply(p, image, got);
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double mean = p.normalization.mean[i % 3], stddev = p.normalization.stddev[i % 3];
      const double level = (static_cast<double>(got[i]) * stddev + mean) / p.range * 255;
      ASSERT_LT(std::abs(level - want[i]), 1.01) << c["preprocess"] << " element " << i;
    }
    for (std::size_t i = 0; i < c["values"].size(); ++i) {
      const double unit = p.range / 255 / p.normalization.stddev[i % 3];
      EXPECT_NEAR(got[i], c["values"][i].get<double>(), 1.01 * unit) << c["preprocess"];
    }
  }
}

TEST(Preprocess, KerasValuesRunFromMinusOneToOne) {
  ImageU8 image(1, 2);
  image.pixels = {0, 0, 0, 255, 255, 255};
  std::vector<float> values(6);
  apply(parse_preprocess("keras:resize=none", 1, 2), image, values);
  EXPECT_EQ(values, (std::vector<float>{-1, -1, -1, 1, 1, 1}));
}

TEST(Preprocess, SurvivesTheModelFile) {
  for (const char* text : {"torchvision", "keras:resize=exact,filter=bicubic",
                           "keras:resize=none,order=bgr,range=255,mean=1/2/3,std=0.1/4/5"}) {
    const Preprocess p = parse_preprocess(text, 224, 192);
    EXPECT_EQ(preprocess_from_json(to_json(p), "x"), p) << text;
  }
}

TEST(Preprocess, TorchvisionKeepsItsProportion) {
  EXPECT_EQ(parse_preprocess("torchvision", 224, 224).side, 256);
  EXPECT_EQ(parse_preprocess("torchvision", 299, 299).side, 341);
}

TEST(Preprocess, TextIsChecked) {
  const auto refused = [](const char* text, const char* reason) {
    return fails_with(Errc::kUsage, {reason}, [&] { (void)parse_preprocess(text, 8, 8); });
  };
  EXPECT_TRUE(refused("kerras", "did you mean `keras`?"));
  EXPECT_TRUE(refused("keras:fliter=bicubic", "did you mean `filter`?"));
  EXPECT_TRUE(refused("keras:resize=0", "shorter side"));
  EXPECT_TRUE(refused("keras:std=1/0/1", "std is not positive"));
  EXPECT_TRUE(refused("keras:mean=1/2", "expected R/G/B"));
}

TEST(Preprocess, DamagedJsonIsAModelError) {
  const auto refused = [](const char* key, const Json& value) {
    Json json = to_json(Preprocess{});
    json[key] = value;
    return fails_with(Errc::kModel, {"m.graft", "preprocessing"},
                      [&] { (void)preprocess_from_json(json, "m.graft"); });
  };
  EXPECT_TRUE(refused("height", 0));
  EXPECT_TRUE(refused("width", 1'000'000));
  EXPECT_TRUE(refused("std", Json::array({1, 1})));
  EXPECT_TRUE(refused("std", Json::array({1, 0, 1})));
  EXPECT_TRUE(refused("resize", "best"));
  EXPECT_TRUE(refused("order", 3));
  EXPECT_TRUE(refused("range", 7));
}

TEST(Preprocess, ANeedleOfAnImageIsRefusedBeforeItIsEnlarged) {
  EXPECT_TRUE(fails_with(Errc::kData, {"too narrow"}, [] {
    (void)fit(parse_preprocess("torchvision", 224, 224), ImageU8(1, 16000));
  }));
}

}  // namespace
}  // namespace graft::data
