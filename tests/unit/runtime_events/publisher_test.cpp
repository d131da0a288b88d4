// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/publisher.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_events/changes.h"

namespace graft::events {
namespace {

using graft::testing::fails_with;
using graft::testing::TempFolder;
using std::chrono::milliseconds;
using ::testing::ElementsAre;

constexpr milliseconds kPatience{5000};

/// What a fake sink was given, and whether it takes anything.
struct Inbox {
  struct Message {
    std::int64_t seq;
    std::string id;
    std::int64_t frame_before;
  };
  std::vector<Message> messages;  // read after the publisher has stopped
  std::atomic<bool> up{true};
  std::atomic<int> refused{0};
  std::atomic<bool> closed{false};
};

class FakeSink final : public EventSink {
 public:
  explicit FakeSink(Inbox& inbox) : inbox_(inbox) {}
  [[nodiscard]] std::string name() const override { return "fake://a/b"; }
  bool deliver(const EventRecord& record, const EventState& before) override {
    if (!inbox_.up) {
      ++inbox_.refused;
      return false;
    }
    inbox_.messages.push_back({record.seq, record.id, before.at.index});
    return true;
  }
  void close() override { inbox_.closed = true; }

 private:
  Inbox& inbox_;
};

class PublisherTest : public ::testing::Test {
 protected:
  std::unique_ptr<Publisher> start(Inbox& inbox) {
    return std::make_unique<Publisher>(path_, std::make_unique<FakeSink>(inbox), cursor_,
                                       PublisherOptions{.poll = milliseconds(2),
                                                        .least_back_off = milliseconds(1),
                                                        .most_back_off = milliseconds(5)});
  }
  static std::vector<std::int64_t> seqs(const Inbox& inbox) {
    std::vector<std::int64_t> out;
    for (const auto& m : inbox.messages) out.push_back(m.seq);
    return out;
  }

  TempFolder folder_;
  std::filesystem::path path_ = folder_ / "events.jsonl";
  std::filesystem::path cursor_ = folder_ / "cursor";
};

using PublisherDelivery = PublisherTest;
using PublisherCursor = PublisherTest;

TEST_F(PublisherDelivery, InOrderWithTheStateBefore) {
  Inbox inbox;
  const auto publisher = start(inbox);
  Journal journal(path_);
  journal.append(change_of(EventType::kNew, "cars", 5, 5));
  journal.append(change_of(EventType::kUpdate, "cars", 5, 7));
  journal.append(change_of(EventType::kEnd, "cars", 5, 9));
  ASSERT_TRUE(publisher->stop(kPatience));
  EXPECT_THAT(seqs(inbox), ElementsAre(1, 2, 3));
  EXPECT_EQ(inbox.messages[0].frame_before, 5);
  EXPECT_EQ(inbox.messages[1].frame_before, 5);
  EXPECT_EQ(inbox.messages[2].frame_before, 7);
  EXPECT_TRUE(inbox.closed);
  EXPECT_EQ(publisher->counts().delivered, 3);
  EXPECT_EQ(publisher->counts().cursor, 3);
}

TEST_F(PublisherDelivery, ReceiverDownLosesNothingAndHoldsNobodyUp) {
  Inbox inbox;
  inbox.up = false;
  const auto publisher = start(inbox);
  Journal journal(path_, {.fsync = Fsync::kNever});
  for (int i = 0; i < 50; ++i) {
    journal.append(
        change_of(i % 2 == 0 ? EventType::kNew : EventType::kEnd, "cars", 10 * i, 10 * i + 1));
  }
  while (inbox.refused < 3) std::this_thread::sleep_for(milliseconds(1));
  inbox.up = true;
  ASSERT_TRUE(publisher->stop(kPatience));
  EXPECT_EQ(seqs(inbox).size(), 50U);
  EXPECT_GE(publisher->counts().failed, 3);
}

TEST_F(PublisherDelivery, StopWithoutPatienceLeavesTheRest) {
  Inbox inbox;
  inbox.up = false;
  Journal journal(path_);
  journal.append(change_of(EventType::kNew, "cars", 5, 5));
  EXPECT_FALSE(start(inbox)->stop(milliseconds(0)));
  inbox.up = true;
  EXPECT_TRUE(start(inbox)->stop(kPatience));
  EXPECT_THAT(seqs(inbox), ElementsAre(1));
}

TEST_F(PublisherCursor, GoesOnWhereItWasWithTheStateBefore) {
  Journal journal(path_);
  journal.append(change_of(EventType::kNew, "cars", 5, 5));
  journal.append(change_of(EventType::kUpdate, "cars", 5, 7));
  Inbox first, second;
  ASSERT_TRUE(start(first)->stop(kPatience));
  journal.append(change_of(EventType::kEnd, "cars", 5, 9));
  ASSERT_TRUE(start(second)->stop(kPatience));
  EXPECT_THAT(seqs(first), ElementsAre(1, 2));
  EXPECT_THAT(seqs(second), ElementsAre(3));
  EXPECT_EQ(second.messages[0].frame_before, 7);
  EXPECT_EQ(second.messages[0].id, first.messages[0].id);
}

TEST_F(PublisherCursor, DiskFullMeansTwiceNotNever) {
  Inbox first, second;
  Journal journal(path_);
  journal.append(change_of(EventType::kNew, "cars", 5, 5));
  {
    const ScopedWriteFault fault({.after_calls = 0, .error_number = ENOSPC});
    ASSERT_TRUE(start(first)->stop(kPatience));
  }
  ASSERT_TRUE(start(second)->stop(kPatience));
  EXPECT_THAT(seqs(first), ElementsAre(1));
  EXPECT_THAT(seqs(second), ElementsAre(1));
  EXPECT_EQ(first.messages[0].id, second.messages[0].id);
}

TEST_F(PublisherCursor, RefusesAFileThatIsNone) {
  Inbox inbox;
  for (const char* text : {"", "{}", "[1]", R"({"schema":9,"journal":"a","seq":1,"open":{}})",
                           R"({"schema":1,"journal":"a","seq":1,"open":{"x":1}})"}) {
    atomic_write(cursor_, text);
    EXPECT_TRUE(fails_with(Errc::kConfig, {cursor_.string(), "remove it"}, [&] { start(inbox); }))
        << text;
  }
}

TEST_F(PublisherCursor, EachSinkHasItsOwn) {
  Inbox inbox;
  EXPECT_EQ(cursor_path("a/events.jsonl", FakeSink(inbox)), "a/events.jsonl.cursor-fake___a_b");
}

}  // namespace
}  // namespace graft::events
