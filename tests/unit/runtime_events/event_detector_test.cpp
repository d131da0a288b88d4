// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/event_detector.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/rng.h"
#include "tests/support/fails_with.h"
#include "tests/unit/runtime_events/changes.h"

namespace graft::events {
namespace {

using graft::testing::fails_with;

EventDetector detector(const DetectorOptions& options) { return {"front", "cars", "sha", options}; }

/// What comes of one answer a frame, '+' or '-', as "new 2" (frame of the change).
std::vector<std::string> steps(const DetectorOptions& options, std::string_view answers,
                               std::int64_t stride = 1) {
  EventDetector d = detector(options);
  std::vector<std::string> out;
  std::int64_t index = 0;
  for (const char c : answers) {
    if (const auto change = d.observe(frame_at(index), c == '+', c == '+' ? 0.9 : 0.2)) {
      out.push_back(std::string(name(change->type)) + " " + std::to_string(index));
    }
    index += stride;
  }
  return out;
}

using Steps = std::vector<std::string>;

TEST(EventDetector, OpensAfterXPositivesInARowAndEndsAfterXNegatives) {
  EXPECT_EQ(steps({.votes = 1}, "-+-+"), (Steps{"new 1", "end 2", "new 3"}));
  EXPECT_EQ(steps({.votes = 2}, "+-+-++-+--"), (Steps{"new 5", "end 9"}));
  EXPECT_EQ(steps({.votes = 3}, "++-++-++"), Steps{});
  EXPECT_EQ(steps({.votes = 3}, "+++"), Steps{"new 2"});
}

TEST(EventDetector, ClosingVotesAreTheirOwn) {
  EXPECT_EQ(steps({.votes = 1, .closing_votes = 3}, "+--+---"), (Steps{"new 0", "end 6"}));
  EXPECT_EQ(steps({.votes = 3, .closing_votes = 1}, "+++-"), (Steps{"new 2", "end 3"}));
}

TEST(EventDetector, CountsAnalysedFramesNotFramesOfTheStream) {
  EXPECT_EQ(steps({.votes = 2}, "-++--", 7), (Steps{"new 14", "end 28"}));
}

TEST(EventDetector, UpdatesByStreamTime) {
  // Ten frames a second of stream time.
  EXPECT_EQ(steps({.votes = 1, .update_every_s = 0.3}, "+++++++"),
            (Steps{"new 0", "update 3", "update 6"}));
  EXPECT_EQ(steps({.votes = 1, .closing_votes = 2, .update_every_s = 0.1}, "+--"),
            (Steps{"new 0", "update 1", "end 2"}));
}

TEST(EventDetector, StateSaysWhatWasSeen) {
  EventDetector d = detector({.votes = 2, .closing_votes = 2});
  EXPECT_FALSE(d.observe(frame_at(3), true, 0.6));
  const auto opened = d.observe(frame_at(5), true, 0.9);
  ASSERT_TRUE(opened && d.open());
  EXPECT_EQ(opened->state.first, frame_at(3));
  EXPECT_EQ(opened->state.opened, frame_at(5));
  EXPECT_EQ(opened->state.positives, 2);
  EXPECT_FALSE(opened->reason);
  d.observe(frame_at(7), true, 0.7);
  d.observe(frame_at(9), false, 0.4);
  const auto ended = d.observe(frame_at(11), false, 0.3);
  ASSERT_TRUE(ended && !d.open());
  const EventState wanted{.stream = "front",
                          .app = "cars",
                          .model_sha256 = "sha",
                          .first = frame_at(3),
                          .opened = frame_at(5),
                          .last = frame_at(7),
                          .at = frame_at(11),
                          .confidence = 0.7,
                          .top_confidence = 0.9,
                          .positives = 3,
                          .analysed = 5};
  EXPECT_EQ(ended->state, wanted);
  EXPECT_EQ(ended->reason, EndReason::kNegatives);
}

TEST(EventDetector, VotesThatFailedLeaveNothing) {
  EventDetector d = detector({.votes = 2});
  d.observe(frame_at(0), true, 0.99);
  d.observe(frame_at(1), false, 0.1);
  d.observe(frame_at(2), true, 0.6);
  const auto opened = d.observe(frame_at(3), true, 0.7);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->state.first, frame_at(2));
  EXPECT_EQ(opened->state.top_confidence, 0.7);
  EXPECT_EQ(opened->state.analysed, 2);
}

TEST(EventDetector, CloseEndsWhatIsOpenAndForgetsVotes) {
  EventDetector d = detector({.votes = 2});
  d.observe(frame_at(0), true, 0.9);
  EXPECT_FALSE(d.close(EndReason::kSourceLost));
  EXPECT_FALSE(d.observe(frame_at(1), true, 0.9)) << "the vote before the gap counts no more";
  EXPECT_TRUE(d.observe(frame_at(2), true, 0.9));
  const auto ended = d.close(EndReason::kShutdown);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->reason, EndReason::kShutdown);
  EXPECT_EQ(ended->state.at, frame_at(2));
  EXPECT_FALSE(d.close(EndReason::kShutdown));
}

TEST(EventDetector, SameAnswersSameEvents) {
  Philox rng({.seed = 3});
  std::string answers;
  for (int i = 0; i < 2000; ++i) answers += rng.uniform() < 0.5F ? '+' : '-';
  const DetectorOptions options{.votes = 3, .closing_votes = 2, .update_every_s = 0.2};
  EXPECT_EQ(steps(options, answers), steps(options, answers));
  EXPECT_GT(steps(options, answers).size(), 100U);
}

TEST(EventDetector, RefusesFramesOutOfOrderAndBadOptions) {
  EventDetector d = detector({});
  d.observe(frame_at(4), false, 0.1);
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"frame 4 after frame 4"},
                         [&] { d.observe(frame_at(4), false, 0.1); }));
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"votes 0"}, [] { detector({.votes = 0}); }));
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"-1"},
                         [] { detector({.votes = 1, .closing_votes = -1}); }));
}

}  // namespace
}  // namespace graft::events
