// SPDX-License-Identifier: Apache-2.0
#include "runtime/video/capture.h"

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"

namespace graft::video {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kLong{20000};

/// `frames` frames, then a fault, or the end if there is none.
class FakeSource final : public FrameSource {
 public:
  FakeSource(int frames, std::optional<SourceFault> fault) : left_(frames), fault_(fault) {}

  bool next(Frame& frame) override {
    if (left_-- > 0) {
      frame.pts = at_++ * 0.01;
      frame.image = ImageU8(2, 2);
      return true;
    }
    if (fault_) throw SourceError(Errc::kIo, *fault_, "rtsp://u:secret@camera/1: it broke");
    return false;
  }
  double fps() const override { return 100; }

 private:
  int left_, at_ = 0;
  std::optional<SourceFault> fault_;
};

struct Seen {
  std::vector<std::int64_t> frames;
  int losses = 0;
};

Seen take_all(Capture& capture) {
  Seen seen;
  Frame frame;
  while (true) {
    switch (capture.mailbox().take(frame, kLong)) {
      case Taken::kFrame:
        seen.frames.push_back(frame.index);
        capture.mailbox().processed();
        break;
      case Taken::kLost:
        ++seen.losses;
        break;
      case Taken::kNothing:
      case Taken::kEnd:
        return seen;
    }
  }
}

TEST(Capture, HandsOverEveryFrameOfAReplay) {
  Capture capture([](const auto&) { return std::make_unique<FakeSource>(50, std::nullopt); },
                  {.stream = "s"});
  EXPECT_TRUE(capture.wait_open(kLong));
  const Seen seen = take_all(capture);
  EXPECT_EQ(seen.frames.size(), 50u);
  EXPECT_EQ(seen.losses, 0);
  EXPECT_EQ(capture.state().fps, 100);
  EXPECT_EQ(capture.state().width, 2);
  EXPECT_TRUE(capture.mailbox().counts().balanced());
  EXPECT_EQ(capture.mailbox().counts().captured, 50);
}

TEST(Capture, OpensABrokenStreamAgain) {
  // Six connections break, two of them before their first frame; the last one ends.
  int opened = 0;
  const OpenSource open = [&](const std::atomic<bool>&) -> std::unique_ptr<FrameSource> {
    const int n = opened++;
    if (n == 0 || n == 3) throw SourceError(Errc::kIo, SourceFault::kOpen, "refused");
    if (n == 2) return std::make_unique<FakeSource>(0, SourceFault::kStall);
    if (n < 6) return std::make_unique<FakeSource>(10, SourceFault::kRead);
    return std::make_unique<FakeSource>(10, std::nullopt);
  };
  Capture capture(
      open, {.reopen = true, .least_back_off = milliseconds(1), .most_back_off = milliseconds(4)});
  const Seen seen = take_all(capture);
  ASSERT_EQ(seen.frames.size(), 40u);
  for (std::size_t i = 0; i < seen.frames.size(); ++i) {
    EXPECT_EQ(seen.frames[i], static_cast<std::int64_t>(i)) << "numbering goes on";
  }
  const CaptureState state = capture.state();
  EXPECT_EQ(state.faults, (std::array<std::int64_t, kSourceFaults>{2, 1, 3, 0}));
  EXPECT_EQ(state.last_error, "");
  // Before the first frame, and after each run of frames.
  EXPECT_EQ(seen.losses, 4);
}

TEST(Capture, KeepsNoPasswordInItsState) {
  Capture capture([](const auto&) { return std::make_unique<FakeSource>(1, SourceFault::kRead); },
                  {.reopen = true, .least_back_off = milliseconds(500)});
  Frame frame;
  ASSERT_EQ(capture.mailbox().take(frame, kLong), Taken::kFrame);
  capture.mailbox().processed();
  ASSERT_EQ(capture.mailbox().take(frame, kLong), Taken::kLost);
  EXPECT_EQ(capture.state().last_error, "rtsp://u:***@camera/1: it broke");
  EXPECT_FALSE(capture.state().up);
}

TEST(Capture, AFileThatCannotBeReadEndsTheStreamWithItsError) {
  Capture capture([](const auto&) { return std::make_unique<FakeSource>(3, SourceFault::kRead); },
                  {});
  EXPECT_EQ(take_all(capture).frames.size(), 3u);
  EXPECT_TRUE(testing::fails_with(Errc::kIo, {"it broke"}, [&] { capture.rethrow_failure(); }));
}

TEST(Capture, OpeningFailsAtOnceUnlessItIsTriedAgain) {
  const OpenSource refuse = [](const auto&) -> std::unique_ptr<FrameSource> {
    throw SourceError(Errc::kIo, SourceFault::kOpen, "no such file");
  };
  Capture file(refuse, {});
  EXPECT_TRUE(testing::fails_with(Errc::kIo, {"no such"}, [&] { (void)file.wait_open(kLong); }));
  Capture camera(refuse, {.reopen = true});
  EXPECT_FALSE(camera.wait_open(milliseconds(20)));
}

TEST(Capture, StopsWhileItWaits) {
  Capture paused(
      [](const auto&) -> std::unique_ptr<FrameSource> {
        throw SourceError(Errc::kIo, SourceFault::kOpen, "refused");
      },
      {.reopen = true, .least_back_off = kLong, .most_back_off = kLong});
  Capture full([](const auto&) { return std::make_unique<FakeSource>(50, std::nullopt); }, {});
  EXPECT_TRUE(full.wait_open(kLong));
  full.stop();
  paused.stop();
  EXPECT_TRUE(full.mailbox().counts().balanced());
  EXPECT_LE(full.mailbox().counts().captured, 1);
}

TEST(Capture, LiveFramesComeAtTheirTimes) {
  Capture capture([](const auto&) { return std::make_unique<FakeSource>(21, std::nullopt); },
                  {.mode = FrameMode::kLive, .paced = true});
  EXPECT_TRUE(capture.wait_open(kLong));
  EXPECT_EQ(capture.mailbox().counts().under_way, 0) << "nothing comes before the start";
  const auto start = std::chrono::steady_clock::now();
  capture.start();
  const Seen seen = take_all(capture);
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(195));
  EXPECT_EQ(capture.mailbox().counts().captured, 21);
  EXPECT_GE(seen.frames.size(), 2u);
}

}  // namespace
}  // namespace graft::video
