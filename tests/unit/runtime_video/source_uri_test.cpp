// SPDX-License-Identifier: Apache-2.0
#include "runtime/video/source_uri.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"

namespace graft::video {
namespace {

using testing::fails_with;

TEST(SourceUri, Kinds) {
  EXPECT_EQ(parse_source_uri("file:/a/b.mp4").kind, SourceKind::kFile);
  EXPECT_EQ(parse_source_uri("file:/a/b.mp4").target, "/a/b.mp4");
  EXPECT_EQ(parse_source_uri("images:frames").kind, SourceKind::kImages);
  EXPECT_EQ(parse_source_uri("v4l2:/dev/video0").target, "/dev/video0");
  EXPECT_EQ(parse_source_uri("synthetic:").kind, SourceKind::kSynthetic);
  EXPECT_EQ(parse_source_uri("synthetic:fps=5").target, "fps=5");
  EXPECT_EQ(parse_source_uri("rtsp://h/1").target, "rtsp://h/1");
  EXPECT_TRUE(parse_source_uri("rtsps://h/1").live());
  EXPECT_FALSE(parse_source_uri("file:x").live());
}

TEST(SourceUri, RefusesWhatItDoesNotKnow) {
  EXPECT_TRUE(fails_with(Errc::kUsage, {"rtmp://h/x", "rtsp://", "synthetic:"},
                         [] { (void)parse_source_uri("rtmp://h/x"); }));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"names nothing"}, [] { (void)parse_source_uri("file:"); }));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"none of"}, [] { (void)parse_source_uri(""); }));
}

TEST(SourceUri, CredentialsComeFromTheEnvironmentAndAreNotShown) {
  ::setenv("GRAFT_TEST_PW", "s3/cr@t:%", 1);
  const SourceUri uri = parse_source_uri("rtsp://admin:${GRAFT_TEST_PW}@cam.local:554/h264");
  EXPECT_EQ(uri.target, "rtsp://admin:s3%2Fcr%40t%3A%25@cam.local:554/h264");
  EXPECT_EQ(uri.shown, "rtsp://admin:***@cam.local:554/h264");
  ::setenv("GRAFT_TEST_DIR", "/with space", 1);
  EXPECT_EQ(parse_source_uri("images:${GRAFT_TEST_DIR}/x").target, "/with space/x");
  EXPECT_TRUE(fails_with(Errc::kConfig, {"GRAFT_TEST_NONE"},
                         [] { (void)parse_source_uri("rtsp://u:${GRAFT_TEST_NONE}@h/"); }));
}

TEST(SourceUri, PercentEncodedIsSafeInAnAddress) {
  EXPECT_EQ(percent_encoded("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encoded("a/b#2 \xc3\xa9@:"), "a%2Fb%232%20%C3%A9%40%3A");
}

TEST(SourceUri, RedactsPasswordsWhereverTheyStand) {
  EXPECT_EQ(redact("rtsp://u:pw@h/s"), "rtsp://u:***@h/s");
  EXPECT_EQ(redact("rtsp://u:p@w@h/s"), "rtsp://u:***@h/s");
  EXPECT_EQ(redact("rtsp://u:p/w@h/s"), "rtsp://u:***@h/s");
  EXPECT_EQ(redact("cannot open 'rtsp://u:pw@h/s': no; nor http://a:b@c"),
            "cannot open 'rtsp://u:***@h/s': no; nor http://a:***@c");
  EXPECT_EQ(redact("rtsp://h:554/s?user=a&password=pw&x=1"),
            "rtsp://h:554/s?user=a&password=***&x=1");
  EXPECT_EQ(redact("rtsp://h:554/s"), "rtsp://h:554/s");
  EXPECT_EQ(redact("rtsp://user@h/s"), "rtsp://user@h/s");
  EXPECT_EQ(redact("plain text"), "plain text");
}

TEST(SourceUri, ErrorsOfAnAddressShowNoPassword) {
  try {
    (void)parse_source_uri("http://u:secret@h/");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).find("secret"), std::string::npos) << e.what();
  }
}

TEST(SourceUri, ACameraThatIsNotThereIsSaid) {
  EXPECT_TRUE(fails_with(Errc::kIo, {"v4l2:/dev/video-none", "no such device", "camera"},
                         [] { check_device(parse_source_uri("v4l2:/dev/video-none")); }));
  check_device(parse_source_uri("v4l2:/dev/null"));
  check_device(parse_source_uri("file:/none"));
}

}  // namespace
}  // namespace graft::video
