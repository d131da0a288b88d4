// SPDX-License-Identifier: Apache-2.0
#include "runtime/video/frame_mailbox.h"

#include <thread>

#include <gtest/gtest.h>

namespace graft::video {
namespace {

constexpr std::chrono::milliseconds kNoWait{0}, kLong{20000};

Frame numbered(std::int64_t index) {
  Frame frame;
  frame.index = index;
  return frame;
}

TEST(FrameMailbox, LiveKeepsTheNewest) {
  FrameMailbox box(FrameMode::kLive);
  for (int i = 0; i < 4; ++i) {
    Frame frame = numbered(i);
    EXPECT_TRUE(box.put(frame));
  }
  Frame got;
  ASSERT_EQ(box.take(got, kNoWait), Taken::kFrame);
  EXPECT_EQ(got.index, 3);
  box.processed();
  EXPECT_EQ(box.take(got, kNoWait), Taken::kNothing);
}

TEST(FrameMailbox, AccountOfEveryFrame) {
  FrameMailbox box(FrameMode::kLive);
  Frame frame, got;
  box.put(frame);
  EXPECT_EQ(box.counts().captured, 0) << "its fate is not known";
  EXPECT_EQ(box.counts().under_way, 1);
  box.put(frame);
  EXPECT_EQ(box.counts().captured, 1);
  ASSERT_EQ(box.take(got, kNoWait), Taken::kFrame);
  EXPECT_EQ(box.counts().under_way, 1);
  box.processed();
  box.put(frame);
  ASSERT_EQ(box.take(got, kNoWait), Taken::kFrame);
  box.dropped(DropReason::kNotDue);
  box.put(frame);
  box.close();
  EXPECT_FALSE(box.put(frame));
  const FrameCounts counts = box.counts();
  EXPECT_EQ(counts.captured, 4);
  EXPECT_EQ(counts.processed, 1);
  EXPECT_EQ(counts.dropped, (std::array<std::int64_t, kDropReasons>{1, 1, 0, 1}));
  EXPECT_TRUE(counts.balanced());
  EXPECT_EQ(counts.under_way, 0);
}

TEST(FrameMailbox, ReplayLosesNothing) {
  constexpr int kFrames = 2000;
  FrameMailbox box(FrameMode::kReplay);
  std::thread decoder([&] {
    for (int i = 0; i < kFrames; ++i) {
      Frame frame = numbered(i);
      box.put(frame);
    }
    box.finish();
  });
  Frame frame;
  std::int64_t expected = 0;
  while (box.take(frame, kLong) == Taken::kFrame) {
    EXPECT_EQ(frame.index, expected++);
    box.processed();
  }
  decoder.join();
  EXPECT_EQ(expected, kFrames);
  EXPECT_EQ(box.counts().processed, kFrames);
  EXPECT_TRUE(box.counts().balanced());
}

TEST(FrameMailbox, BalancedAtEveryMomentUnderLoad) {
  FrameMailbox box(FrameMode::kLive);
  std::atomic<bool> stop = false;
  std::thread decoder([&] {
    Frame frame;
    while (!stop) box.put(frame);
    box.finish();
  });
  std::thread networks([&] {
    Frame frame;
    for (int i = 0; box.take(frame, kLong) == Taken::kFrame; ++i) {
      if (i % 3 == 0) {
        box.dropped(DropReason::kNotDue);
      } else {
        box.processed();
      }
    }
  });
  FrameCounts counts;
  while (counts.processed < 2000) {
    counts = box.counts();
    ASSERT_TRUE(counts.balanced()) << counts.captured << " " << counts.processed;
    ASSERT_LE(counts.under_way, 2);
  }
  stop = true;
  decoder.join();
  networks.join();
  EXPECT_EQ(box.counts().under_way, 0);
  EXPECT_TRUE(box.counts().balanced());
}

TEST(FrameMailbox, CloseWakesBothSides) {
  FrameMailbox box(FrameMode::kReplay);
  Frame first, second;
  box.put(first);
  std::thread decoder([&] { EXPECT_FALSE(box.put(second)); });
  box.close();
  decoder.join();
  Frame got;
  EXPECT_EQ(box.take(got, kLong), Taken::kEnd);
}

TEST(FrameMailbox, TheLossOfAStreamIsSaidOnceBetweenItsFrames) {
  FrameMailbox box(FrameMode::kLive);
  Frame frame;
  box.lost();
  box.put(frame);
  box.lost();
  EXPECT_EQ(box.take(frame, kNoWait), Taken::kLost);
  EXPECT_EQ(box.take(frame, kNoWait), Taken::kFrame);
  box.processed();
  EXPECT_EQ(box.take(frame, kNoWait), Taken::kLost);
  EXPECT_EQ(box.take(frame, kNoWait), Taken::kNothing);
  box.finish();
  EXPECT_EQ(box.take(frame, kNoWait), Taken::kEnd);
}

TEST(FrameMailbox, AFrameIsResolvedBeforeTheNextIsTaken) {
  FrameMailbox box(FrameMode::kLive);
  Frame frame;
  EXPECT_THROW(box.processed(), Error);
  box.put(frame);
  ASSERT_EQ(box.take(frame, kNoWait), Taken::kFrame);
  EXPECT_THROW((void)box.take(frame, kNoWait), Error);
}

}  // namespace
}  // namespace graft::video
