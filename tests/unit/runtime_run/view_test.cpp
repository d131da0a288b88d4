// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/view.h"

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"

namespace graft::run {
namespace {

using testing::fails_with;

TEST(RunView, IsReadWithItsApplication) {
  const auto [name, view] = parse_view("cars#2=0.7,0,0.3,0.5");
  EXPECT_EQ(name, "cars#2");
  EXPECT_EQ(view, (View{.left = 0.7, .top = 0, .width = 0.3, .height = 0.5}));
  EXPECT_FALSE(view.whole());
  EXPECT_TRUE(parse_view("a=0,0,1,1").second.whole());
}

TEST(RunView, RefusesWhatIsNoPartOfAPicture) {
  for (const char* text :
       {"cars", "=0,0,1,1", "cars=", "cars=0,0,1", "cars=0,0,1,1,1", "cars=0,0,x,1", "cars=0,0,0,1",
        "cars=-0.1,0,1,1", "cars=0.5,0,0.6,1", "cars=0,0.5,1,0.6", "cars=0,0,nan,1"}) {
    EXPECT_TRUE(fails_with(Errc::kUsage, {text, "LEFT,TOP,WIDTH,HEIGHT"}, [text] {
      (void)parse_view(text);
    })) << text;
  }
}

TEST(RunView, CutsItsPixels) {
  ImageU8 image(4, 6);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(i / ImageU8::kChannels);
  }
  const ImageU8 part = cut({.left = 0.5, .top = 0.25, .width = 0.5, .height = 0.5}, image);
  ASSERT_EQ(part.height, 2);
  ASSERT_EQ(part.width, 3);
  EXPECT_EQ(part.pixels[0], 1 * 6 + 3);
  EXPECT_EQ(part.pixels.back(), 2 * 6 + 5);
  const ImageU8 least = cut({.left = 0.99, .top = 0.999, .width = 0.01, .height = 0.001}, image);
  EXPECT_EQ(least.height, 1);
  EXPECT_EQ(least.width, 1);
  EXPECT_EQ(least.pixels[0], 3 * 6 + 5);
}

}  // namespace
}  // namespace graft::run
