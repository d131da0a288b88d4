// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/memory_plan.h"

#include <gtest/gtest.h>

#include "engine/core/rng.h"
#include "engine/device/memory.h"

namespace graft {
namespace {

std::vector<Lifetime> random_lifetimes(std::uint64_t id) {
  Philox rng({.seed = 5, .purpose = RngPurpose::kTest, .epoch = 0, .id = id});
  std::vector<Lifetime> all(1 + rng.below(60));
  for (Lifetime& l : all) {
    l.bytes = rng.below(5) == 0 ? 0 : rng.below(100000);
    l.first = static_cast<int>(rng.below(40));
    l.last = l.first + static_cast<int>(rng.below(12));
  }
  return all;
}

std::size_t alive_at(const std::vector<Lifetime>& all, int step) {
  constexpr std::size_t kTo = MemoryResource::kAlignment;
  std::size_t sum = 0;
  for (const Lifetime& l : all) {
    if (l.first <= step && step <= l.last) sum += (l.bytes + kTo - 1) / kTo * kTo;
  }
  return sum;
}

TEST(MemoryPlan, BlocksThatMeetInTimeNeverShareBytes) {
  for (std::uint64_t id = 0; id < 200; ++id) {
    const auto all = random_lifetimes(id);
    const MemoryPlan plan = plan_memory(all);
    ASSERT_EQ(plan.offset.size(), all.size());
    for (std::size_t a = 0; a < all.size(); ++a) {
      EXPECT_EQ(plan.offset[a] % MemoryResource::kAlignment, 0u);
      EXPECT_LE(plan.offset[a] + all[a].bytes, plan.bytes);
      for (std::size_t b = 0; b < a; ++b) {
        if (all[a].last < all[b].first || all[b].last < all[a].first) continue;
        EXPECT_TRUE(plan.offset[a] + all[a].bytes <= plan.offset[b] ||
                    plan.offset[b] + all[b].bytes <= plan.offset[a])
            << "case " << id << ", blocks " << a << " and " << b;
      }
    }
  }
}

TEST(MemoryPlan, PeakIsTheMostThatLivesAtOnce) {
  for (std::uint64_t id = 0; id < 200; ++id) {
    const auto all = random_lifetimes(id);
    std::size_t peak = 0;
    for (int step = 0; step < 60; ++step) peak = std::max(peak, alive_at(all, step));
    const MemoryPlan plan = plan_memory(all);
    EXPECT_EQ(plan.peak_live, peak);
    EXPECT_GE(plan.bytes, plan.peak_live);
  }
}

TEST(MemoryPlan, ReusesWhatHasDied) {
  const std::vector<Lifetime> chain = {{1000, 0, 1}, {1000, 1, 2}, {1000, 2, 3}, {1000, 3, 4}};
  EXPECT_EQ(plan_memory(chain).bytes, 2048u);
  EXPECT_EQ(plan_memory({}).bytes, 0u);
}

}  // namespace
}  // namespace graft
