// SPDX-License-Identifier: Apache-2.0
#include "engine/device/thread_budget.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"

namespace graft {
namespace {

TEST(ThreadBudget, LeasesNeverSumToMore) {
  constexpr int kBudget = 3, kCallers = 6, kRounds = 300;
  ThreadBudget budget(kBudget);
  std::atomic<int> at_work = 0, most = 0, done = 0;
  std::vector<std::jthread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, want = 1 + i % 4] {
      for (int round = 0; round < kRounds; ++round) {
        const ThreadBudget::Lease lease(budget, want);
        EXPECT_EQ(lease.threads(), std::min(want, kBudget));
        const int now = at_work += lease.threads();
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        std::this_thread::yield();
        at_work -= lease.threads();
        ++done;
      }
    });
  }
  callers.clear();
  EXPECT_LE(most, kBudget);
  EXPECT_EQ(done, kCallers * kRounds);
}

TEST(ThreadBudget, ALargeLeaseIsNotStarvedBySmallOnes) {
  ThreadBudget budget(2);
  std::atomic<bool> stop = false;
  std::vector<std::jthread> small;
  for (int i = 0; i < 3; ++i) {
    small.emplace_back([&] {
      while (!stop) const ThreadBudget::Lease lease(budget, 1);
    });
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ThreadBudget::Lease(budget, 2).threads(), 2);
  stop = true;
}

TEST(ThreadBudget, GivesWayToThoseWhoWait) {
  ThreadBudget budget(1);
  ThreadBudget::Lease lease(budget, 1);
  lease.give_way();  // nobody waits
  std::atomic<int> served = 0;
  std::atomic<bool> started = false;
  std::jthread other([&] {
    started = true;
    const ThreadBudget::Lease turn(budget, 1);
    ++served;
  });
  while (!started) std::this_thread::yield();
  while (served == 0) lease.give_way();  // ends, or the test runs into its time limit
  EXPECT_EQ(lease.threads(), 1);
  other.join();
  std::atomic<bool> held = true, seen_held = false;
  std::jthread third([&] {
    const ThreadBudget::Lease turn(budget, 1);
    seen_held = held.load();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  held = false;
  lease.give_way();  // has the thread again only once the third is done
  EXPECT_FALSE(seen_held);
}

TEST(ThreadBudget, CanBeSetAndIsAtLeastOne) {
  EXPECT_GE(ThreadBudget::process().threads(), 1);
  ThreadBudget budget(4);
  budget.set(2);
  EXPECT_EQ(budget.threads(), 2);
  EXPECT_EQ(ThreadBudget::Lease(budget, 5).threads(), 2);
  EXPECT_TRUE(
      testing::fails_with(Errc::kInvalidArgument, {"thread budget"}, [&] { budget.set(0); }));
}

}  // namespace
}  // namespace graft
