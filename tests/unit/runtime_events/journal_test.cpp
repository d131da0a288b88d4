// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/journal.h"

#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/events/journal_file.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_events/changes.h"

namespace graft::events {
namespace {

namespace fs = std::filesystem;
using graft::testing::fails_with;
using graft::testing::TempFolder;
using ::testing::ElementsAre;

std::vector<std::int64_t> seqs(const std::vector<EventRecord>& records) {
  std::vector<std::int64_t> out;
  for (const EventRecord& r : records) out.push_back(r.seq);
  return out;
}

void add_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::app | std::ios::binary) << text;
}

/// One event from new to end.
void append_event(Journal& journal, const std::string& app, std::int64_t first) {
  journal.append(change_of(EventType::kNew, app, first, first));
  journal.append(change_of(EventType::kUpdate, app, first, first + 1));
  journal.append(change_of(EventType::kEnd, app, first, first + 2));
}

class JournalTest : public ::testing::Test {
 protected:
  TempFolder folder_;
  fs::path path_ = folder_ / "events.jsonl";
};

using JournalWrite = JournalTest;
using JournalRestart = JournalTest;
using JournalRead = JournalTest;
using JournalRotation = JournalTest;

TEST_F(JournalWrite, NumbersRecordsAndKeepsTheIdOfAnEvent) {
  Journal journal(path_);
  append_event(journal, "cars", 5);
  append_event(journal, "dogs", 5);
  const auto records = read_journal(path_);
  EXPECT_THAT(seqs(records), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(records[0].id, "1000.500-1");
  EXPECT_EQ(records[2].id, records[0].id);
  EXPECT_EQ(records[3].id, "1000.500-4");
  EXPECT_EQ(records[1].change, change_of(EventType::kUpdate, "cars", 5, 6));
  EXPECT_EQ(journal.next_seq(), 7);
  EXPECT_TRUE(journal.open_events().empty());
}

TEST_F(JournalWrite, OneOpenEventForStreamAndApplication) {
  Journal journal(path_);
  journal.append(change_of(EventType::kNew, "cars", 5, 5));
  journal.append(change_of(EventType::kNew, "dogs", 5, 5));
  EXPECT_EQ(journal.open_events().size(), 2U);
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"'new' of front/cars"},
                         [&] { journal.append(change_of(EventType::kNew, "cars", 7, 7)); }));
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"'end' of front/cats"},
                         [&] { journal.append(change_of(EventType::kEnd, "cats", 7, 7)); }));
  EXPECT_EQ(journal.next_seq(), 3);
}

TEST_F(JournalWrite, OneWriterAtATime) {
  const Journal journal(path_);
  EXPECT_TRUE(fails_with(Errc::kConfig, {path_.string(), "another process"},
                         [&] { const Journal second(path_); }));
}

TEST_F(JournalWrite, FolderThatIsMissingIsNamed) {
  EXPECT_TRUE(fails_with(Errc::kIo, {"nowhere"},
                         [&] { const Journal journal(folder_ / "nowhere/events.jsonl"); }));
}

/// Makes every single call fail in turn, by each error a disk may give.
TEST_F(JournalWrite, DiskFullAtEveryCallLeavesNothingHalfWritten) {
  const JournalOptions options{
      .fsync = Fsync::kAlways, .segment_bytes = 2000, .total_bytes = 1 << 20};
  int failures = 0;
  for (int call = 0; call < 24; ++call) {
    const TempFolder folder;
    const fs::path path = folder / "events.jsonl";
    Journal journal(path, options);
    append_event(journal, "cars", 5);
    bool failed = false;
    {
      const ScopedWriteFault fault({.after_calls = call, .error_number = ENOSPC, .once = true});
      for (int i = 0; i < 4; ++i) {
        const EventChange change =
            change_of(i % 2 == 0 ? EventType::kNew : EventType::kEnd, "dogs", 10 * i, 10 * i + 1);
        try {
          journal.append(change);
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), Errc::kIo);
          EXPECT_EQ(read_journal(path).size(), 3U + static_cast<std::size_t>(i)) << "call " << call;
          failed = true;
          journal.append(change);  // space has returned
        }
      }
    }
    failures += failed ? 1 : 0;
    EXPECT_THAT(seqs(read_journal(path)), ElementsAre(1, 2, 3, 4, 5, 6, 7)) << "call " << call;
  }
  EXPECT_GT(failures, 10);
}

TEST_F(JournalWrite, DiskFullMidLine) {
  Journal journal(path_);
  append_event(journal, "cars", 5);
  const auto bytes = fs::file_size(path_);
  {
    const ScopedWriteFault fault({.after_bytes = 40, .error_number = ENOSPC});
    EXPECT_TRUE(fails_with(Errc::kIo, {path_.string(), "free some space"},
                           [&] { journal.append(change_of(EventType::kNew, "cars", 9, 9)); }));
  }
  EXPECT_EQ(fs::file_size(path_), bytes);
  EXPECT_EQ(journal.append(change_of(EventType::kNew, "cars", 9, 9)).seq, 4);
}

TEST_F(JournalRestart, NumberingGoesOnAndTheTornLineIsCut) {
  {
    Journal journal(path_);
    append_event(journal, "cars", 5);
  }
  const auto whole = fs::file_size(path_);
  add_text(path_, R"({"schema":1,"seq":4,"id":"1000)");
  Journal journal(path_);
  EXPECT_EQ(fs::file_size(path_), whole);
  EXPECT_EQ(journal.append(change_of(EventType::kNew, "cars", 9, 9)).seq, 4);
}

TEST_F(JournalRestart, EventsLeftOpenAreEnded) {
  std::string id;
  {
    Journal journal(path_);
    id = journal.append(change_of(EventType::kNew, "cars", 5, 5)).id;
    journal.append(change_of(EventType::kUpdate, "cars", 5, 8));
    append_event(journal, "dogs", 20);
  }
  const Journal journal(path_);
  EXPECT_TRUE(journal.open_events().empty());
  const auto records = read_journal(path_);
  ASSERT_EQ(records.size(), 6U);
  EXPECT_EQ(records.back().id, id);
  EXPECT_EQ(records.back().change.reason, EndReason::kRestart);
  EXPECT_EQ(records.back().change.state, change_of(EventType::kUpdate, "cars", 5, 8).state);
}

TEST_F(JournalRestart, DamageIsNamedWithItsLine) {
  {
    Journal journal(path_);
    append_event(journal, "cars", 5);
  }
  const std::string good = read_file(path_);
  const auto reopened_with = [&](const std::string& text) {
    atomic_write(path_, text);
    return [this] { const Journal journal(path_); };
  };
  EXPECT_TRUE(fails_with(Errc::kData, {"events.jsonl line 5"}, reopened_with(good + "{}\n")));
  EXPECT_TRUE(fails_with(Errc::kData, {"line 1", "first line"}, reopened_with("{}\n")));
  EXPECT_TRUE(fails_with(Errc::kData, {"line 1"}, reopened_with("not json\n")));
  const auto second = good.find('\n') + 1, third = good.find('\n', second) + 1;
  EXPECT_TRUE(fails_with(Errc::kData, {"line 2", "seq 2 where 1 follows"},
                         reopened_with(good.substr(0, second) + good.substr(third))));
  EXPECT_TRUE(
      fails_with(Errc::kData, {"line 3", "seq 1"},
                 reopened_with(good.substr(0, third) + good.substr(second, third - second))));
}

TEST_F(JournalRead, FollowsTheWriter) {
  JournalReader reader(path_);
  EXPECT_FALSE(reader.next()) << "no journal yet";
  Journal journal(path_);
  EXPECT_FALSE(reader.next());
  journal.append(change_of(EventType::kNew, "cars", 5, 5));
  EXPECT_EQ(reader.next()->seq, 1);
  EXPECT_FALSE(reader.next());
  add_text(path_, R"({"schema":1,)");
  EXPECT_FALSE(reader.next()) << "an unfinished line";
  EXPECT_EQ(reader.position().seq, 1);
}

TEST_F(JournalRead, UnfinishedLineMayBeReplaced) {
  std::optional<JournalReader> reader;
  {
    Journal journal(path_);
    journal.append(change_of(EventType::kNew, "cars", 5, 5));
    reader.emplace(path_);
    EXPECT_TRUE(reader->next());
    add_text(path_, R"({"schema":1,"seq":2,"id":"torn)");
    EXPECT_FALSE(reader->next());
  }
  const Journal again(path_);  // cuts, and ends the event
  EXPECT_EQ(reader->next()->change.reason, EndReason::kRestart);
}

TEST_F(JournalRead, BeginsBehindItsPosition) {
  Journal journal(path_);
  append_event(journal, "cars", 5);
  JournalReader first(path_);
  first.next();
  const JournalPosition after = first.position();
  JournalReader second(path_, after);
  EXPECT_EQ(second.next()->seq, 2);
  EXPECT_EQ(second.missed(), 0);
  EXPECT_EQ(JournalReader(path_, {.journal = {}, .seq = 2}).next()->seq, 3) << "of any journal";
}

TEST_F(JournalRead, AnotherJournalIsReadFromItsBeginning) {
  JournalPosition after;
  {
    Journal journal(path_);
    append_event(journal, "cars", 5);
    JournalReader reader(path_);
    while (reader.next()) {
    }
    after = reader.position();
  }
  fs::remove(path_);
  Journal journal(path_);
  append_event(journal, "dogs", 5);
  append_event(journal, "dogs", 15);
  JournalReader reader(path_, after);
  EXPECT_EQ(reader.next()->seq, 1);
}

TEST_F(JournalRead, NoJournalIsAnError) {
  EXPECT_TRUE(fails_with(Errc::kIo, {path_.string()}, [&] { (void)read_journal(path_); }));
  atomic_write(path_, "");
  EXPECT_TRUE(fails_with(Errc::kData, {"no finished line"}, [&] { (void)read_journal(path_); }));
}

TEST_F(JournalRotation, AllRecordsStayReadable) {
  const JournalOptions options{
      .fsync = Fsync::kNever, .segment_bytes = 2000, .total_bytes = 1 << 20};
  JournalReader follower(path_);
  std::int64_t followed = 0;
  {
    Journal journal(path_, options);
    for (int i = 0; i < 50; ++i) {
      append_event(journal, "cars", 10 * i);
      if (i % 7 == 0) {
        while (const auto record = follower.next()) EXPECT_EQ(record->seq, ++followed);
        EXPECT_EQ(followed, journal.next_seq() - 1);
      }
    }
  }
  EXPECT_GT(files_set_aside(path_).size(), 10U);
  EXPECT_EQ(read_journal(path_).size(), 150U);
  Journal again(path_, options);
  EXPECT_EQ(again.next_seq(), 151);
}

TEST_F(JournalRotation, EventsOpenAcrossFilesAreKnownAfterARestart) {
  const JournalOptions options{
      .fsync = Fsync::kNever, .segment_bytes = 1000, .total_bytes = 1 << 20};
  std::string id;
  {
    Journal journal(path_, options);
    id = journal.append(change_of(EventType::kNew, "cats", 1, 1)).id;
    for (int i = 0; i < 10; ++i) append_event(journal, "cars", 10 * i);
  }
  for (const AsideFile& file : files_set_aside(path_)) fs::remove(file.path);
  const Journal journal(path_, options);
  const auto last = read_journal(path_).back();
  EXPECT_EQ(last.id, id);
  EXPECT_EQ(last.change.reason, EndReason::kRestart);
}

TEST_F(JournalRotation, DeathBetweenSettingAsideAndTheNextFile) {
  {
    Journal journal(path_);
    append_event(journal, "cars", 5);
    journal.append(change_of(EventType::kNew, "dogs", 9, 9));
  }
  fs::rename(path_, aside_path(path_, 1));
  Journal journal(path_);
  EXPECT_EQ(journal.next_seq(), 6) << "four records, and the open event was ended";
  EXPECT_THAT(seqs(read_journal(path_)), ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(JournalRotation, SizeIsCappedAndReadersSayWhatTheyMissed) {
  const JournalOptions options{.fsync = Fsync::kNever, .segment_bytes = 2000, .total_bytes = 6000};
  Journal journal(path_, options);
  journal.append(change_of(EventType::kNew, "cats", 1, 1));
  JournalReader reader(path_);
  EXPECT_EQ(reader.next()->seq, 1);
  const JournalPosition after = reader.position();
  for (int i = 0; i < 50; ++i) append_event(journal, "cars", 10 * i);
  std::uint64_t total = 0;
  for (const AsideFile& file : files_set_aside(path_)) total += fs::file_size(file.path);
  EXPECT_LE(total, 6000U);
  JournalReader late(path_, after);
  std::int64_t count = 0;
  while (late.next()) ++count;
  EXPECT_GT(late.missed(), 0);
  EXPECT_EQ(1 + late.missed() + count, 151);
}

}  // namespace
}  // namespace graft::events
