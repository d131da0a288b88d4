// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/event.h"

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"
#include "tests/unit/runtime_events/changes.h"

namespace graft::events {
namespace {

using graft::testing::fails_with;

TEST(EventRecord, RoundTripsThroughJson) {
  for (const EventType type : {EventType::kNew, EventType::kUpdate, EventType::kEnd}) {
    const EventRecord record{.seq = 7, .id = "1000.500-3", .change = change_of(type, "cars", 5, 9)};
    const Json json = parse_json(to_json(record).dump(), "test");
    EXPECT_EQ(parse_record(json, "test"), record);
    EXPECT_EQ(json.contains("reason"), type == EventType::kEnd);
  }
}

TEST(EventRecord, EveryReasonHasItsName) {
  EventRecord record{.seq = 1, .id = "x", .change = change_of(EventType::kEnd, "cars", 5, 9)};
  for (const EndReason reason :
       {EndReason::kNegatives, EndReason::kSourceLost, EndReason::kSourceEnd,
        EndReason::kAppRemoved, EndReason::kShutdown, EndReason::kRestart}) {
    record.change.reason = reason;
    EXPECT_EQ(to_json(record).at("reason"), name(reason));
    EXPECT_EQ(parse_record(to_json(record), "test").change.reason, reason);
  }
}

TEST(EventRecord, RefusesWhatIsNone) {
  const Json good =
      to_json(EventRecord{.seq = 1, .id = "x", .change = change_of(EventType::kEnd, "a", 5, 9)});
  const auto bad = [&](const char* key, const Json& value) {
    Json json = good;
    if (value.is_null()) {
      json.erase(key);
    } else {
      json[key] = value;
    }
    return [json] { static_cast<void>(parse_record(json, "j line 3")); };
  };
  EXPECT_TRUE(fails_with(Errc::kData, {"j line 3", "seq"}, bad("seq", nullptr)));
  EXPECT_TRUE(fails_with(Errc::kData, {"j line 3", "seq 0"}, bad("seq", 0)));
  EXPECT_TRUE(fails_with(Errc::kData, {"unknown type 'over'"}, bad("type", "over")));
  EXPECT_TRUE(fails_with(Errc::kData, {"unknown reason 'why'"}, bad("reason", "why")));
  EXPECT_TRUE(fails_with(Errc::kData, {"reason"}, bad("reason", nullptr)));
  EXPECT_TRUE(fails_with(Errc::kData, {"schema 2", "newer graft"}, bad("schema", 2)));
  EXPECT_TRUE(fails_with(Errc::kData, {"last"}, bad("last", 5)));
  Json swapped = good;
  swapped["at"]["frame"] = 1;
  EXPECT_TRUE(fails_with(Errc::kData, {"not in order"},
                         [&] { static_cast<void>(parse_record(swapped, "j")); }));
  EXPECT_TRUE(
      fails_with(Errc::kData, {"j"}, [] { static_cast<void>(parse_record(Json::array(), "j")); }));
}

}  // namespace
}  // namespace graft::events
