// SPDX-License-Identifier: Apache-2.0
// The plug-in on small videos that the test writes; skipped where it is not built.
#include <cstdlib>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "runtime/video/ffmpeg_plugin.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_video/write_video.h"

namespace graft::video {
namespace {

using testing::fails_with;

class Ffmpeg : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("GRAFT_PLUGINS", GRAFT_PLUGIN_DIR, 1);
    std::string why;
    if (!ffmpeg_available(&why)) GTEST_SKIP() << why;
  }
  std::unique_ptr<FrameSource> open(const std::string& name) {
    return open_source(parse_source_uri("file:" + (folder_ / name).string()), {});
  }
  testing::TempFolder folder_;
};

TEST_F(Ffmpeg, ReadsEveryFrameOfAFile) {
  testing::write_video(folder_ / "v.mp4", {{64, 48, 37}}, 25);
  const auto source = open("v.mp4");
  EXPECT_DOUBLE_EQ(source->fps(), 25);
  Frame frame;
  for (int n = 0; n < 37; ++n) {
    ASSERT_TRUE(source->next(frame)) << n;
    EXPECT_NEAR(frame.pts, n / 25.0, 1e-3);
    ASSERT_EQ(frame.image.width, 64);
    ASSERT_EQ(frame.image.height, 48);
    EXPECT_NEAR(frame.image.pixels[frame.image.pixels.size() / 2], 40 + 8 * (n % 16), 4) << n;
  }
  EXPECT_FALSE(source->next(frame));
  EXPECT_EQ(source->corrupt(), 0);
}

TEST_F(Ffmpeg, ADeclaredRateOverrides) {
  testing::write_video(folder_ / "v.mp4", {{64, 48, 3}}, 25);
  const SourceUri uri = parse_source_uri("file:" + (folder_ / "v.mp4").string());
  EXPECT_EQ(open_source(uri, {.fps = 12})->fps(), 12);
}

TEST_F(Ffmpeg, ADeviceThatIsNoCameraIsSaid) {
  for (const char* device : {"/dev/video-none", "/dev/null"}) {
    const SourceUri uri = parse_source_uri(std::string("v4l2:") + device);
    try {
      (void)open_source(uri, {});
      ADD_FAILURE() << device;
    } catch (const SourceError& e) {
      EXPECT_EQ(e.fault(), SourceFault::kOpen);
      EXPECT_EQ(e.code(), Errc::kIo);
      EXPECT_NE(std::string(e.what()).find(device), std::string::npos) << e.what();
    }
  }
}

TEST_F(Ffmpeg, FollowsAChangeOfResolution) {
  testing::write_video(folder_ / "v.m4v", {{64, 48, 10}, {96, 80, 10}}, 10);
  const auto source = open("v.m4v");
  Frame frame;
  int small = 0, large = 0;
  while (source->next(frame)) {
    small += frame.image.width == 64 && frame.image.height == 48 ? 1 : 0;
    large += frame.image.width == 96 && frame.image.height == 80 ? 1 : 0;
    EXPECT_EQ(frame.image.pixels.size(),
              static_cast<std::size_t>(3) * frame.image.width * frame.image.height);
  }
  EXPECT_GE(small, 9);
  EXPECT_GE(large, 9);
}

TEST_F(Ffmpeg, DamageInTheMiddleIsCountedAndPassed) {
  testing::write_video(folder_ / "v.mkv", {{640, 480, 60}}, 10);
  std::string bytes = read_file(folder_ / "v.mkv");
  constexpr std::size_t kEvery = 47;
  for (std::size_t at = bytes.size() / 3; at < bytes.size() / 2; at += kEvery) {
    bytes[at] = static_cast<char>(~bytes[at]);
  }
  atomic_write(folder_ / "v.mkv", bytes);
  const auto source = open("v.mkv");
  Frame frame;
  int frames = 0;
  double last = 0;
  while (source->next(frame)) {
    ++frames;
    last = frame.pts;
  }
  EXPECT_GT(source->corrupt(), 0);
  EXPECT_GT(frames, 20);
  EXPECT_LT(frames, 60);
  EXPECT_GT(last, 5.0) << "frames behind the damage are read";
}

TEST_F(Ffmpeg, SaysWhyAFileCannotBeOpened) {
  EXPECT_TRUE(fails_with(Errc::kIo, {"none.mp4", "No such file"}, [&] { open("none.mp4"); }));
  atomic_write(folder_ / "text.mp4", "no video at all");
  EXPECT_TRUE(fails_with(Errc::kData, {"text.mp4"}, [&] { open("text.mp4"); }));
}

TEST_F(Ffmpeg, NobodyAnswersAndNoPasswordIsShown) {
  // Port 9 of this machine: refused at once.
  const SourceUri uri = parse_source_uri("rtsp://admin:secret@127.0.0.1:9/x");
  try {
    (void)open_source(uri, {});
    FAIL();
  } catch (const SourceError& e) {
    EXPECT_EQ(e.fault(), SourceFault::kOpen);
    EXPECT_EQ(std::string(e.what()).find("secret"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("admin:***@"), std::string::npos) << e.what();
  }
}

TEST(FfmpegPlugin, ItsAbsenceIsAnErrorThatNamesIt) {
  // In a process of its own: the plug-in is looked for once.
  EXPECT_EXIT(
      {
        ::setenv("GRAFT_PLUGINS", "/nonexistent", 1);
        try {
          (void)open_source(parse_source_uri("file:v.mp4"), {});
          ::_exit(1);
        } catch (const Error& e) {
          const bool named = std::string(e.what()).find("GRAFT_FFMPEG=ON") != std::string::npos;
          ::_exit(e.code() == Errc::kUnavailable && named ? 0 : 2);
        }
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace graft::video
