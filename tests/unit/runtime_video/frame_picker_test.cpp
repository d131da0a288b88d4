// SPDX-License-Identifier: Apache-2.0
#include "runtime/video/frame_picker.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"

namespace graft::video {
namespace {

/// Frames at which each application is due, of the first `n` or of `which` of them.
std::vector<std::vector<std::int64_t>> due_frames(double stream, std::vector<double> fps,
                                                  const std::vector<std::int64_t>& frames) {
  FramePicker picker(stream, fps);
  std::vector<std::vector<std::int64_t>> out(fps.size());
  for (const std::int64_t f : frames) {
    const auto due = picker.pick(f);
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (due[i] != 0) out[i].push_back(f);
    }
  }
  return out;
}

std::vector<std::int64_t> first(std::int64_t n) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::int64_t>(i);
  return out;
}

TEST(FramePicker, AWholeStrideTakesEveryNth) {
  const auto due = due_frames(30, {10}, first(10));
  EXPECT_EQ(due[0], (std::vector<std::int64_t>{0, 3, 6, 9}));
}

TEST(FramePicker, TwentyOfThirtyIsTwoOfThree) {
  const auto due = due_frames(30, {20}, first(9));
  EXPECT_EQ(due[0], (std::vector<std::int64_t>{0, 1, 3, 4, 6, 7}));
}

TEST(FramePicker, RatesAreExactAndEven) {
  for (const double stream : {10.0, 15.0, 25.0, 29.97, 30.0}) {
    for (const double fps : {0.1, 0.7, 1.0, 3.0, 7.0, 9.9}) {
      const std::int64_t n = std::llround(stream * 1000);
      const auto due = due_frames(stream, {fps}, first(n))[0];
      EXPECT_EQ(static_cast<std::int64_t>(due.size()), std::llround(fps * 1000)) << fps;
      const double stride = stream / fps;
      for (std::size_t i = 1; i < due.size(); ++i) {
        const auto gap = static_cast<double>(due[i] - due[i - 1]);
        EXPECT_LT(std::abs(gap - stride), 1) << stream << " " << fps << " " << i;
      }
    }
  }
}

TEST(FramePicker, SlowerApplicationsReuseTheFramesOfFasterOnes) {
  const std::vector<double> fps = {2, 7, 3, 7, 0.5};
  const auto due = due_frames(10, fps, first(1000));
  for (std::size_t i = 0; i < fps.size(); ++i) {
    EXPECT_EQ(due[i].size(), static_cast<std::size_t>(fps[i] * 100));
    // 7, 7 include 3, which includes 2, which includes 0.5.
    for (std::size_t k = 0; k < fps.size(); ++k) {
      if (fps[k] < fps[i]) continue;
      EXPECT_TRUE(std::includes(due[k].begin(), due[k].end(), due[i].begin(), due[i].end()));
    }
  }
}

TEST(FramePicker, TheNextFrameTakesThePlaceOfALostOne) {
  const auto due = due_frames(10, {2}, {0, 1, 4, 7, 8, 11, 30, 31});
  EXPECT_EQ(due[0], (std::vector<std::int64_t>{0, 7, 11, 30}));
}

TEST(FramePicker, RefusesWhatTheStreamDoesNotHave) {
  const std::vector<double> fast = {11}, none = {0};
  EXPECT_TRUE(testing::fails_with(Errc::kConfig, {"11", "10"}, [&] { FramePicker p(10, fast); }));
  EXPECT_TRUE(testing::fails_with(Errc::kConfig, {"0"}, [&] { FramePicker p(10, none); }));
}

TEST(FramePicker, NoApplicationsAreNeverDue) {
  FramePicker picker(10, {});
  EXPECT_TRUE(picker.pick(0).empty());
}

}  // namespace
}  // namespace graft::video
