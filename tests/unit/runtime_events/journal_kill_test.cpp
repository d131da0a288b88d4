// SPDX-License-Identifier: Apache-2.0
// A process that writes a journal is killed at random moments, again and again.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/core/rng.h"
#include "runtime/events/journal.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_events/changes.h"

namespace graft::events {
namespace {

/// Writes events until it is killed.
[[noreturn]] void write_for_ever(const std::filesystem::path& path, const JournalOptions& options) {
  Journal journal(path, options);
  for (std::int64_t i = 0;; i += 3) {
    const std::string app = "app" + std::to_string(i % 5);
    journal.append(change_of(EventType::kNew, app, i, i));
    journal.append(change_of(EventType::kUpdate, app, i, i + 1));
    journal.append(change_of(EventType::kEnd, app, i, i + 2));
  }
}

/// Every event that began ends once, and the numbers have no gap.
void expect_intact(const std::filesystem::path& path) {
  std::map<std::string, EventType> last;
  std::int64_t seq = 0;
  for (const EventRecord& r : read_journal(path)) {
    EXPECT_EQ(r.seq, ++seq);
    const auto known = last.find(r.id);
    EXPECT_EQ(known == last.end(), r.change.type == EventType::kNew) << r.id;
    EXPECT_FALSE(known != last.end() && known->second == EventType::kEnd) << r.id;
    last[r.id] = r.change.type;
  }
  for (const auto& [id, type] : last) EXPECT_EQ(type, EventType::kEnd) << id;
}

TEST(JournalKill, IntactAfterEveryKill) {
  constexpr int kKills = 25;
  const graft::testing::TempFolder folder;
  const auto path = folder / "events.jsonl";
  const JournalOptions options{
      .fsync = Fsync::kNever, .segment_bytes = 20'000, .total_bytes = std::uint64_t{1} << 30};
  Philox rng({.seed = 5});
  std::int64_t before = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    const pid_t child = ::fork();
    ASSERT_NE(child, -1);
    if (child == 0) write_for_ever(path, options);
    std::this_thread::sleep_for(std::chrono::microseconds(2000 + rng.below(20'000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Journal journal(path, options);  // ends what was open
    EXPECT_GE(journal.next_seq(), before);
    before = journal.next_seq();
  }
  expect_intact(path);
  EXPECT_GT(before, kKills) << "hardly anything was written between the kills";
}

}  // namespace
}  // namespace graft::events
