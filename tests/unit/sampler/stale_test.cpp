// SPDX-License-Identifier: Apache-2.0
// StaleSB: which epochs forward, which loss decides, and the throttle of the authors' queue.
#include "sampler/select/stale.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "sampler/select/registry.h"
#include "tests/unit/sampler/stream.h"

namespace graft {
namespace {

using testing::exponential_loss;
using testing::hide_unasked_losses;
using testing::make_slice;
using testing::Slice;

constexpr std::int64_t kSlice = 128;

/// Runs one epoch; `each` sees the slice as the sampler did, its choice and its forwards.
template <class Each>
std::int64_t run(Sampler& sampler, std::uint32_t epoch, std::int64_t n, Each&& each) {
  (void)sampler.before_epoch({.epoch = epoch, .epochs = 1000, .examples = n});
  std::int64_t forwards = 0;
  for (std::int64_t first = 0; first < n; first += kSlice) {
    Slice slice = make_slice(1, epoch, first, std::min(kSlice, n - first));
    forwards += hide_unasked_losses(sampler, slice);
    each(slice, sampler.select(slice.view()));
  }
  return forwards;
}

TEST(StaleSB, A15_FreshEpochsAndForwards) {
  const std::int64_t n = 3 * kSlice, epochs = 200;
  for (const auto& [staleness, want] : {std::pair{1, 200}, {2, 100}, {3, 67}}) {
    const auto stale = make_sampler("stale", {{"preset", "paper"}, {"staleness", staleness}});
    std::int64_t total = 0;
    for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
      const std::int64_t forwards = run(*stale, epoch, n, [](const Slice&, const Selection&) {});
      EXPECT_EQ(forwards, epoch % static_cast<std::uint32_t>(staleness) == 0 ? n : 0);
      total += forwards;
    }
    EXPECT_EQ(total, want * n) << staleness;
  }
}

TEST(StaleSB, A15_DefaultPresetGetsTheFirstEpochFree) {
  const std::int64_t n = 3 * kSlice;
  for (const char* stored : {"any_forward", "selection_only"}) {
    const auto stale = make_sampler("stale", {{"staleness", 2}, {"stored_loss", stored}});
    for (std::uint32_t epoch = 0; epoch < 6; ++epoch) {
      const std::int64_t forwards =
          run(*stale, epoch, n, [&](const Slice& slice, const Selection& s) {
            std::vector<std::int64_t> ids;
            std::vector<float> losses;
            for (const std::int32_t row : s.rows) {
              ids.push_back(slice.ids[static_cast<std::size_t>(row)]);
              losses.push_back(exponential_loss(3, epoch, ids.back()));
            }
            stale->on_training_scores(ids, {.losses = losses});
          });
      EXPECT_EQ(forwards, epoch > 0 && epoch % 2 == 0 ? n : 0) << stored << " " << epoch;
    }
  }
}

TEST(StaleSB, A15_StalenessOneDecidesAsSb) {
  for (const char* preset : {"paper", "default"}) {
    const auto sb = make_sampler("sb", {{"preset", preset}});
    const auto stale = make_sampler("stale", {{"preset", preset}, {"staleness", 1}});
    for (std::uint32_t epoch = 0; epoch < 4; ++epoch) {
      std::vector<Selection> want;
      (void)run(*sb, epoch, 5000, [&](const Slice&, const Selection& s) { want.push_back(s); });
      std::size_t i = 0;
      (void)run(*stale, epoch, 5000, [&](const Slice&, const Selection& s) {
        EXPECT_EQ(s.rows, want[i].rows);
        EXPECT_EQ(s.probability, want[i].probability);
        EXPECT_FALSE(s.hold);
        ++i;
      });
    }
  }
}

TEST(StaleSB, StoredLossesDecideAndEnterTheHistoryAgain) {
  // Four examples of losses 1 .. 4; example 0 is then trained with a loss of 9.
  for (const auto& [stored, want] :
       {std::pair{"any_forward", std::vector<double>{3. / 4, 0, 1. / 4, 2. / 4}},
        {"selection_only", {0, 1. / 4, 2. / 4, 3. / 4}}}) {
    const auto stale = make_sampler(
        "stale",
        {{"preset", "paper"}, {"beta", 1}, {"R", 4}, {"prime_epochs", 0}, {"stored_loss", stored}});
    Slice slice = make_slice(1, 0, 0, 4);
    slice.losses = {1, 2, 3, 4};
    (void)stale->before_epoch({.epoch = 0, .examples = 4});
    (void)stale->select(slice.view());
    stale->on_training_scores(std::vector<std::int64_t>{0}, {.losses = std::vector<float>{9}});
    (void)stale->before_epoch({.epoch = 1, .examples = 4});
    EXPECT_EQ(hide_unasked_losses(*stale, slice), 0);
    EXPECT_EQ(stale->select(slice.view()).probability, want) << stored;
    const auto* sb = dynamic_cast<SelectiveBackprop*>(stale.get());
    EXPECT_EQ(sb->history().values().front(), std::string(stored) == "any_forward" ? 9 : 1);
  }
}

struct EpochCount {
  std::int64_t updates = 0, backprops = 0, waiting = 0;
};

/// Updates of each epoch, with the real queue.
std::vector<EpochCount> replay(const Json& options, std::uint32_t epochs, std::int64_t n) {
  const auto stale = make_sampler("stale", options);
  TrainQueue queue(stale->queue_options(), kSlice);
  std::vector<EpochCount> out;
  for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
    EpochCount count;
    (void)run(*stale, epoch, n, [&](const Slice& slice, const Selection& s) {
      const std::vector<QueuedExample> selected(s.rows.size());
      queue.push_slice(std::ssize(slice.ids), selected, slice.ids.back() == n - 1, s.hold);
      std::vector<QueuedExample> batch;
      while (queue.next(batch)) {
        count.backprops += std::ssize(batch);
        ++count.updates;
      }
    });
    count.waiting = queue.size();
    out.push_back(count);
  }
  return out;
}

TEST(StaleSB, A16_CompatThrottle) {
  const std::int64_t n = 50000;
  const auto third = replay({{"preset", "paper"}, {"beta", 2}}, 7, n);
  for (const std::size_t stale : {1U, 2U, 4U, 5U}) {
    EXPECT_EQ(third[stale].updates, 79) << stale;
    EXPECT_EQ(third[stale].backprops, 10112) << stale;
  }
  // Section 1.3: backlog 13 200 after two stale epochs, then a fresh one of 234 updates.
  EXPECT_NEAR(static_cast<double>(third[2].waiting), 13200, 400);
  EXPECT_NEAR(static_cast<double>(third[3].updates), 234, 5);
  EXPECT_LT(third[3].waiting, 128);

  // At s = 1/2 the fresh epochs cannot drain it: it grows by about 5 000 a cycle.
  const auto half = replay({{"preset", "paper"}, {"beta", 1}}, 10, n);
  EXPECT_EQ(half[1].updates, 79);
  EXPECT_EQ(half[6].updates, 391);
  EXPECT_NEAR(static_cast<double>(half[6].waiting - half[3].waiting), 5000, 600);
  EXPECT_GT(half[9].waiting, half[6].waiting + 3000);
}

TEST(StaleSB, A16_NoThrottleByDefault) {
  const auto counts = replay({{"beta", 1}, {"prime_forward", true}}, 4, 50000);
  for (std::size_t epoch = 1; epoch < 4; ++epoch) {
    EXPECT_NEAR(static_cast<double>(counts[epoch].backprops), 25000, 1000);
    EXPECT_EQ(counts[epoch].waiting, 0);
  }
}

}  // namespace
}  // namespace graft
