// SPDX-License-Identifier: Apache-2.0
// Sources without a dependency: images and the synthetic video.
#include <fstream>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "runtime/video/images_source.h"
#include "runtime/video/source_uri.h"
#include "runtime/video/synthetic_source.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft::video {
namespace {

using testing::fails_with;
using testing::TempFolder;

void write_grey(const std::filesystem::path& path, int level) {
  ImageU8 image(8, 8);
  std::fill(image.pixels.begin(), image.pixels.end(), static_cast<std::uint8_t>(level));
  atomic_write(path, encode_png(image));
}

TEST(ImagesSource, SortedByNameAtTheRateGiven) {
  const TempFolder folder;
  write_grey(folder / "b.png", 20);
  write_grey(folder / "a.png", 10);
  write_grey(folder / "c.png", 30);
  atomic_write(folder / "notes.txt", "no image");
  ImagesSource source(folder.path(), 4);
  EXPECT_EQ(source.fps(), 4);
  Frame frame;
  for (const int level : {10, 20, 30}) {
    ASSERT_TRUE(source.next(frame));
    EXPECT_EQ(frame.image.pixels[0], level);
    EXPECT_DOUBLE_EQ(frame.pts, (level - 10) / 40.0);
  }
  EXPECT_FALSE(source.next(frame));
}

TEST(ImagesSource, DamagedImagesAreCountedAndSkipped) {
  const TempFolder folder;
  write_grey(folder / "a.png", 10);
  atomic_write(folder / "b.png", "not a png");
  write_grey(folder / "c.png", 30);
  ImagesSource source(folder.path(), 0);
  Frame frame;
  ASSERT_TRUE(source.next(frame));
  ASSERT_TRUE(source.next(frame));
  EXPECT_EQ(frame.image.pixels[0], 30);
  EXPECT_DOUBLE_EQ(frame.pts, 2) << "the time of the lost one passes";
  EXPECT_FALSE(source.next(frame));
  EXPECT_EQ(source.corrupt(), 1);
}

TEST(ImagesSource, NeedsAFolderWithImages) {
  const TempFolder folder;
  EXPECT_TRUE(fails_with(Errc::kData, {"no images"}, [&] { ImagesSource s(folder.path(), 1); }));
  EXPECT_TRUE(fails_with(Errc::kIo, {"none"}, [&] { ImagesSource s(folder / "none", 1); }));
}

TEST(SyntheticSource, IsAFunctionOfItsOptions) {
  const SyntheticVideo video = parse_synthetic("frames=3,width=32,height=24,seed=7", 0);
  ImageU8 a, b, other;
  video.render(1, a);
  video.render(1, b);
  EXPECT_EQ(a.pixels, b.pixels);
  EXPECT_EQ(a.width, 32);
  EXPECT_EQ(a.height, 24);
  video.render(2, b);
  EXPECT_NE(a.pixels, b.pixels);
  parse_synthetic("frames=3,width=32,height=24,seed=8", 0).render(1, other);
  EXPECT_NE(a.pixels, other.pixels);
}

TEST(SyntheticSource, EndsAfterItsFrames) {
  const auto source = open_source(parse_source_uri("synthetic:frames=3,fps=5"), {});
  EXPECT_EQ(source->fps(), 5);
  Frame frame;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(source->next(frame));
    EXPECT_DOUBLE_EQ(frame.pts, i / 5.0);
  }
  EXPECT_FALSE(source->next(frame));
  EXPECT_EQ(open_source(parse_source_uri("synthetic:fps=5"), {.fps = 8})->fps(), 8);
}

TEST(SyntheticSource, GroundTruthIsWhatIsInThePicture) {
  const SyntheticVideo video = parse_synthetic("event=20,gap=30,noise=5,seed=3", 0);
  int shown = 0;
  for (std::int64_t i = 0; i < 500; ++i) {
    ImageU8 image;
    video.render(i, image);
    int red = 0;
    for (std::size_t p = 0; p < image.pixels.size(); p += 3) {
      if (image.pixels[p] >= 200 && image.pixels[p + 1] < 80) ++red;
    }
    EXPECT_EQ(red > 0, video.object_at(i)) << i;
    shown += video.object_at(i) ? 1 : 0;
  }
  EXPECT_EQ(shown, 200) << "twenty frames in each period of fifty";
}

TEST(SyntheticSource, RefusesUnknownKeysAndValues) {
  for (const auto& [text, part] :
       std::vector<std::pair<std::string, std::string>>{{"frams=3", "did you mean `frames`"},
                                                        {"fps=0", "above 0"},
                                                        {"width=2", "from 8"},
                                                        {"seed", "key=value"},
                                                        {"event=x", "whole number"}}) {
    EXPECT_TRUE(fails_with(Errc::kUsage, {part}, [&] { (void)parse_synthetic(text, 0); })) << text;
  }
}

}  // namespace
}  // namespace graft::video
