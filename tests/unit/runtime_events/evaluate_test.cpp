// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/evaluate.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "runtime/events/recorded_scores.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_events/changes.h"

namespace graft::events {
namespace {

using graft::testing::fails_with;
using ::testing::ElementsAre;

/// '+' positive, '-' negative, '?' unknown.
std::vector<FrameLabel> labels_of(const std::string& text) {
  std::vector<FrameLabel> labels;
  for (const char c : text) {
    labels.push_back(c == '+'   ? FrameLabel::kPositive
                     : c == '-' ? FrameLabel::kNegative
                                : FrameLabel::kUnknown);
  }
  return labels;
}

DetectedEvent detected(std::int64_t first, std::int64_t opened, std::int64_t last) {
  return {.span = {first, last}, .opened = opened};
}

EventScore score(const std::vector<DetectedEvent>& events, const std::string& labels) {
  return score_events(events, labels_of(labels));
}

class EventLabels : public ::testing::Test {
 protected:
  std::vector<FrameLabel> read(const std::string& text, const std::string& column = "") {
    atomic_write(folder_ / "labels.csv", text);
    return read_frame_labels(folder_ / "labels.csv", column);
  }
  graft::testing::TempFolder folder_;
};

TEST_F(EventLabels, FramesCountFromOneInTheFile) {
  EXPECT_EQ(read("frame,label\n1,0\n2,1\n4,1\n"), labels_of("-+?+"));
  EXPECT_EQ(read("frame,near\r\n2,1\r\n1,\r\n"), labels_of("?+"));
}

TEST_F(EventLabels, ColumnIsChosenByName) {
  const std::string text = "frame,n_cars,left,right\n1,3,0,1\n2,0,1,\n";
  EXPECT_EQ(read(text, "left"), labels_of("-+"));
  EXPECT_EQ(read(text, "right"), labels_of("+?"));
  EXPECT_EQ(read(text, "n_cars"), labels_of("+-"));
  EXPECT_TRUE(fails_with(Errc::kData, {"line 1", "'label'", "n_cars, left"}, [&] { read(text); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"'up'"}, [&] { read(text, "up"); }));
}

TEST_F(EventLabels, DamageIsNamed) {
  EXPECT_TRUE(fails_with(Errc::kData, {"first line"}, [&] { read(""); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"'frame'"}, [&] { read("a,b\n"); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"line 3", "'x'"}, [&] { read("frame,label\n1,0\n2,x\n"); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"line 2", "'0'"}, [&] { read("frame,label\n0,1\n"); }));
  EXPECT_TRUE(
      fails_with(Errc::kData, {"99999999999"}, [&] { read("frame,label\n99999999999,1\n"); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"line 2", "1 fields"}, [&] { read("frame,label\n1\n"); }));
  EXPECT_TRUE(fails_with(Errc::kIo, {"none.csv"},
                         [&] { (void)read_frame_labels(folder_ / "none.csv", ""); }));
}

TEST(EventScoring, TrueEventsAreRunsOfPositiveFrames) {
  EXPECT_THAT(true_events(labels_of("++-+?+")),
              ElementsAre(FrameSpan{0, 1}, FrameSpan{3, 3}, FrameSpan{5, 5}));
  EXPECT_TRUE(true_events(labels_of("--?")).empty());
}

TEST(EventScoring, DetectedEventsAreTheLatestWordOnEach) {
  std::vector<EventRecord> records;
  const auto add = [&](const char* id, EventType type, const char* app, std::int64_t first,
                       std::int64_t at) {
    records.push_back({.seq = static_cast<std::int64_t>(records.size()) + 1,
                       .id = id,
                       .change = change_of(type, app, first, at)});
  };
  add("b", EventType::kNew, "cars", 9, 9);
  add("a", EventType::kNew, "dogs", 1, 1);
  add("b", EventType::kEnd, "cars", 9, 14);
  add("c", EventType::kNew, "cars", 20, 20);
  add("c", EventType::kUpdate, "cars", 20, 23);
  const auto events = detected_events(records, "cars", "");
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].span, (FrameSpan{9, 14}));
  EXPECT_EQ(events[1].span, (FrameSpan{20, 23}));
  EXPECT_EQ(events[1].opened, 20);
  EXPECT_TRUE(detected_events(records, "cars", "back").empty());
  EXPECT_EQ(detected_events(records, "cars", "front").size(), 2U);
}

TEST(EventScoring, FoundMissedAndFalse) {
  // Two true events of three frames; one found, one alarm where there is nothing.
  const EventScore s = score({detected(3, 4, 5), detected(11, 11, 12)}, "--+++--+++----");
  EXPECT_EQ(s.true_events, 2);
  EXPECT_EQ(s.found, 1);
  EXPECT_EQ(s.false_alarms, 1);
  EXPECT_DOUBLE_EQ(*s.recall, 0.5);
  EXPECT_DOUBLE_EQ(s.precision, 0.5);
  EXPECT_DOUBLE_EQ(*s.f1, 0.5);
  EXPECT_DOUBLE_EQ(*s.delay_frames, 2);
}

TEST(EventScoring, SeveralAlarmsInOneEventFindItOnce) {
  const EventScore s = score({detected(2, 3, 3), detected(5, 6, 6)}, "--+++++--");
  EXPECT_EQ(s.found, 1);
  EXPECT_EQ(s.false_alarms, 0);
  EXPECT_DOUBLE_EQ(*s.f1, 1);
  EXPECT_DOUBLE_EQ(*s.delay_frames, 1) << "the first announcement counts";
}

TEST(EventScoring, AlwaysOnIsNotPerfect) {
  // Ten frames of events, mean length 5; 20 negative frames are four events' worth.
  const EventScore s = score({detected(0, 0, 29)}, "----------+++++-----+++++-----");
  EXPECT_DOUBLE_EQ(*s.recall, 1);
  EXPECT_DOUBLE_EQ(s.precision, 2.0 / 6);
  EXPECT_DOUBLE_EQ(*s.delay_frames, 0) << "it was announced before";
}

TEST(EventScoring, EdgesOfAnEventAreNoFalseAlarm) {
  EXPECT_DOUBLE_EQ(score({detected(1, 2, 8)}, "---++++---").precision, 1);
}

TEST(EventScoring, WhatIsNotKnownIsNotCounted) {
  const EventScore s = score({detected(0, 0, 2), detected(20, 20, 22)}, "????++++----");
  EXPECT_EQ(s.detected, 0);
  EXPECT_EQ(s.false_alarms, 0);
  EXPECT_DOUBLE_EQ(*s.recall, 0);
  EXPECT_FALSE(s.delay_frames);
  EXPECT_DOUBLE_EQ(*s.f1, 0);
}

TEST(EventScoring, NothingTrueNothingDetected) {
  EventScore s = score({}, "-----");
  EXPECT_FALSE(s.recall || s.f1);
  EXPECT_DOUBLE_EQ(s.precision, 1);
  s = score({detected(1, 1, 3)}, "-----");
  EXPECT_EQ(s.false_alarms, 1);
  EXPECT_DOUBLE_EQ(s.precision, 0);
}

TEST(EventScores, AreReadForOneApplication) {
  const graft::testing::TempFolder folder;
  const auto path = folder / "scores.jsonl";
  atomic_write(
      path,
      "{\"frame\":0,\"app\":\"a\",\"score\":0.5}\n{\"frame\":0,\"app\":\"b\",\"score\":1}\n"
      "{\"frame\":3,\"app\":\"a\",\"score\":0.25,\"positive\":true,\"pts\":9,"
      "\"captured_at\":11}\n");
  const auto scores = read_scores(path, "a", 10);
  ASSERT_EQ(scores.size(), 2U);
  EXPECT_EQ(scores[1].frame, (FrameTime{.index = 3, .pts_s = 9, .captured_at = 11}));
  EXPECT_EQ(scores[1].score, 0.25);
  EXPECT_EQ(scores[0].positive, std::nullopt);
  EXPECT_EQ(scores[1].positive, true) << "as the run said, whatever the score";
  EXPECT_EQ(read_scores(path, "c", 10).size(), 0U);
  const auto bad = [&](const char* text) {
    return [&folder, text] {
      atomic_write(folder / "bad.jsonl", text);
      (void)read_scores(folder / "bad.jsonl", "a", 10);
    };
  };
  EXPECT_TRUE(fails_with(Errc::kData, {"line 1", "score"}, bad("{\"frame\":0,\"app\":\"a\"}\n")));
  EXPECT_TRUE(
      fails_with(Errc::kData, {"[0, 1]"}, bad("{\"frame\":0,\"app\":\"a\",\"score\":1.5}\n")));
  EXPECT_TRUE(fails_with(Errc::kData, {"line 1"},
                         bad("{\"frame\":0,\"app\":\"a\",\"score\":1,\"positive\":\"yes\"}\n")));
  EXPECT_TRUE(fails_with(Errc::kData, {"line 2", "frame 4 after frame 4"},
                         bad("{\"frame\":4,\"app\":\"a\",\"score\":1}\n"
                             "{\"frame\":4,\"app\":\"a\",\"score\":1}\n")));
}

}  // namespace
}  // namespace graft::events
