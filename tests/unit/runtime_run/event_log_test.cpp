// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/event_log.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "runtime/events/event_detector.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft::run {
namespace {

/// Opens and ends one event a call.
void see_event(EventLog& log, events::EventDetector& detector, std::int64_t at) {
  const auto time = [](std::int64_t i) {
    return events::FrameTime{.index = i, .pts_s = static_cast<double>(i), .captured_at = 0};
  };
  log.add(*detector.observe(time(2 * at), true, 0.9));
  log.add(*detector.observe(time(2 * at + 1), false, 0.1));
}

TEST(EventLog, AFullDiskDelaysEventsAndLosesNone) {
  const testing::TempFolder folder;
  EventLog log(folder / "events.jsonl");
  events::EventDetector detector("camera", "birds", "", {});
  see_event(log, detector, 0);
  {
    const ScopedWriteFault fault({.after_bytes = 0, .error_number = ENOSPC});
    see_event(log, detector, 1);
    see_event(log, detector, 2);
    EXPECT_EQ(log.waiting(), 4);
    EXPECT_TRUE(testing::fails_with(Errc::kIo, {"4 changes"}, [&] { log.close(); }));
  }
  see_event(log, detector, 3);
  EXPECT_EQ(log.waiting(), 0);
  log.close();
  const auto records = events::read_journal(folder / "events.jsonl");
  ASSERT_EQ(records.size(), 8u);
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].seq, static_cast<std::int64_t>(i + 1));
    EXPECT_EQ(records[i].change.state.at.index, static_cast<std::int64_t>(i));
  }
}

TEST(EventLog, TooManyWaitingEventsAreAnError) {
  const testing::TempFolder folder;
  EventLog log(folder / "events.jsonl");
  events::EventDetector detector("camera", "birds", "", {});
  const ScopedWriteFault fault({.after_bytes = 0, .error_number = ENOSPC});
  EXPECT_TRUE(testing::fails_with(Errc::kIo, {"events wait"}, [&] {
    for (int i = 0; i < 10000; ++i) see_event(log, detector, i);
  }));
}

}  // namespace
}  // namespace graft::run
