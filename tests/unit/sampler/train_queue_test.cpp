// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/train_queue.h"

#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/core/rng.h"

namespace graft {
namespace {

constexpr std::int64_t kBatch = 4;

/// Feeds slices of selected examples, numbered in order, and notes what is trained.
class Script {
 public:
  Script(QueueMode mode, EpochEnd end, std::int64_t batch = kBatch)
      : queue_({.mode = mode, .epoch_end = end, .watchdog_batches = 0}, batch) {}

  void slice(std::int64_t selected, bool last_of_epoch = false) {
    std::vector<QueuedExample> examples(static_cast<std::size_t>(selected));
    for (QueuedExample& example : examples) {
      example = {.id = pushed_, .epoch = 7, .weight = 0.5F, .slot = 1000 + pushed_};
      ++pushed_;
    }
    queue_.push_slice(selected + 3, examples, last_of_epoch);
    std::vector<QueuedExample> batch;
    while (queue_.next(batch)) {
      sizes.push_back(std::ssize(batch));
      for (const QueuedExample& example : batch) {
        EXPECT_EQ(example.slot, 1000 + example.id);
        trained.push_back(example.id);
      }
    }
    dropped += std::ssize(queue_.dropped());
  }
  void epoch(const std::vector<std::int64_t>& selected) {
    for (std::size_t i = 0; i < selected.size(); ++i) slice(selected[i], i + 1 == selected.size());
  }
  [[nodiscard]] std::int64_t pushed() const { return pushed_; }
  [[nodiscard]] std::int64_t waiting() const { return queue_.size(); }

  std::vector<std::int64_t> sizes, trained;
  std::int64_t dropped = 0;

 private:
  TrainQueue queue_;
  std::int64_t pushed_ = 0;
};

using Sizes = std::vector<std::int64_t>;

TEST(SelectiveBackprop, A13_UpdatesPerEpoch) {
  // Traditional on CIFAR-10: every candidate is selected.
  Script traditional(QueueMode::kDrainAll, EpochEnd::kFlush, 128);
  for (int i = 0; i < 390; ++i) traditional.slice(128);
  traditional.slice(80, true);
  ASSERT_EQ(traditional.sizes.size(), 391u);
  EXPECT_EQ(traditional.sizes.back(), 80);

  Philox rng({.seed = 11});
  for (const EpochEnd end : {EpochEnd::kFlush, EpochEnd::kCarry, EpochEnd::kDiscard}) {
    Script script(QueueMode::kDrainAll, end);
    for (int epoch = 0; epoch < 20; ++epoch) {
      const std::int64_t carry = script.waiting();
      std::vector<std::int64_t> slices(30);
      for (std::int64_t& n : slices) n = rng.below(10);
      const std::int64_t have =
          carry + std::accumulate(slices.begin(), slices.end(), std::int64_t{0});
      script.sizes.clear();
      script.epoch(slices);
      const bool partial = end == EpochEnd::kFlush && have % kBatch > 0;
      EXPECT_EQ(std::ssize(script.sizes), have / kBatch + (partial ? 1 : 0));
      EXPECT_EQ(script.waiting(), end == EpochEnd::kCarry ? have % kBatch : 0);
    }
  }
}

TEST(SelectiveBackprop, A14_EpochEndDrainAll) {
  const std::vector<std::int64_t> selected = {3, 0, 6, 4, 1};  // 14 of them
  struct Case {
    EpochEnd end;
    Sizes sizes;
    std::int64_t waiting, dropped;
  };
  for (const Case& c :
       {Case{EpochEnd::kFlush, {4, 4, 4, 2}, 0, 0}, Case{EpochEnd::kCarry, {4, 4, 4}, 2, 0},
        Case{EpochEnd::kDiscard, {4, 4, 4}, 0, 2}, Case{EpochEnd::kAuthors, {4, 4, 4, 2}, 0, 0}}) {
    Script script(QueueMode::kDrainAll, c.end);
    script.epoch(selected);
    EXPECT_EQ(script.sizes, c.sizes) << name(c.end);
    EXPECT_EQ(script.waiting(), c.waiting) << name(c.end);
    EXPECT_EQ(script.dropped, c.dropped) << name(c.end);
  }
  // The authors carry what is left if the last slice did fill a batch.
  Script script(QueueMode::kDrainAll, EpochEnd::kAuthors);
  script.epoch({3, 0, 6, 4, 4});
  EXPECT_EQ(script.sizes, (Sizes{4, 4, 4, 4}));
  EXPECT_EQ(script.waiting(), 1);
}

TEST(SelectiveBackprop, A14_EpochEndOneStepPerSlice) {
  struct Case {
    EpochEnd end;
    std::vector<std::int64_t> selected;
    Sizes sizes;
    std::int64_t waiting, dropped;
  };
  for (const Case& c :
       {Case{EpochEnd::kAuthors, {3, 0, 4, 1}, {4, 4}, 0, 0},         // exactly B at the end
        Case{EpochEnd::kAuthors, {9, 0, 0, 2}, {4, 4, 3}, 0, 0},      // fewer: trained
        Case{EpochEnd::kAuthors, {9, 9, 9, 9}, {4, 4, 4, 4}, 20, 0},  // more: B, rest carried
        Case{EpochEnd::kFlush, {9, 9}, {4, 4, 4, 4, 2}, 0, 0},
        Case{EpochEnd::kCarry, {9, 9}, {4, 4}, 10, 0},
        Case{EpochEnd::kDiscard, {9, 9}, {4, 4}, 0, 10}}) {
    Script script(QueueMode::kOneStepPerSlice, c.end);
    script.epoch(c.selected);
    EXPECT_EQ(script.sizes, c.sizes) << name(c.end);
    EXPECT_EQ(script.waiting(), c.waiting) << name(c.end);
    EXPECT_EQ(script.dropped, c.dropped) << name(c.end);
  }
}

TEST(SelectiveBackprop, A14_NothingIsLostOrTrainedTwice) {
  Philox rng({.seed = 12});
  for (const QueueMode mode : {QueueMode::kDrainAll, QueueMode::kOneStepPerSlice}) {
    for (const EpochEnd end : {EpochEnd::kFlush, EpochEnd::kCarry, EpochEnd::kAuthors}) {
      Script script(mode, end);
      for (int epoch = 0; epoch < 20; ++epoch) {
        std::vector<std::int64_t> slices(15);
        for (std::int64_t& n : slices) n = rng.below(9);
        script.epoch(slices);
        if (end == EpochEnd::kFlush) {
          EXPECT_EQ(script.waiting(), 0);
        }
      }
      // First in, first out: the trained ids are 0, 1, 2 ... without gap or repetition.
      std::vector<std::int64_t> want(script.trained.size());
      std::iota(want.begin(), want.end(), 0);
      EXPECT_EQ(script.trained, want);
      EXPECT_EQ(std::ssize(script.trained) + script.waiting(), script.pushed());
    }
  }
}

TEST(TrainQueue, CutsRightAfterTheLastOfABatch) {
  Script script(QueueMode::kOneStepPerSlice, EpochEnd::kCarry);
  script.slice(6);
  EXPECT_EQ(script.trained, (Sizes{0, 1, 2, 3}));
  EXPECT_EQ(script.waiting(), 2);
  script.slice(1);
  EXPECT_EQ(script.waiting(), 3);
  script.slice(1);
  EXPECT_EQ(script.trained, (Sizes{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(TrainQueue, EmptySlicesTrainNothing) {
  for (const EpochEnd end :
       {EpochEnd::kFlush, EpochEnd::kCarry, EpochEnd::kDiscard, EpochEnd::kAuthors}) {
    Script script(QueueMode::kDrainAll, end);
    script.epoch({0, 0, 0});
    EXPECT_TRUE(script.sizes.empty()) << name(end);
  }
}

TEST(TrainQueue, StateGoesOnBetweenTwoBatchesOfASlice) {
  const QueueOptions options{.mode = QueueMode::kDrainAll, .epoch_end = EpochEnd::kFlush};
  TrainQueue a(options, kBatch), b(options, kBatch);
  std::vector<QueuedExample> examples(11), batch, other;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    examples[i] = {.id = (std::int64_t{1} << 40) + static_cast<std::int64_t>(i),
                   .epoch = 3,
                   .weight = 1.F / static_cast<float>(i + 1),
                   .slot = static_cast<std::int64_t>(i)};
  }
  a.push_slice(20, examples, true);
  ASSERT_TRUE(a.next(batch));
  const TrainQueue::State state = a.state();
  EXPECT_EQ(state.ids.size(), 7u);
  b.restore(state, std::vector<std::int64_t>{4, 5, 6, 7, 8, 9, 10});
  EXPECT_EQ(b.state(), state);
  for (const std::size_t want : {std::size_t{4}, std::size_t{3}, std::size_t{0}}) {
    EXPECT_EQ(a.next(batch), want > 0);
    EXPECT_EQ(b.next(other), want > 0);
    EXPECT_EQ(batch.size(), want);
    EXPECT_EQ(batch, other);
  }
  EXPECT_THROW(b.restore(state, std::vector<std::int64_t>{1}), Error);
}

TEST(TrainQueue, WatchdogCountsCandidatesSinceTheLastUpdate) {
  TrainQueue queue({.watchdog_batches = 2}, kBatch);
  std::vector<QueuedExample> batch;
  const std::vector<QueuedExample> two(2);
  queue.push_slice(8, two, false);
  EXPECT_FALSE(queue.next(batch));
  queue.push_slice(8, two, false);  // fills a batch: the count starts again
  EXPECT_TRUE(queue.next(batch));
  EXPECT_FALSE(queue.next(batch));
  queue.push_slice(8, {}, false);
  EXPECT_FALSE(queue.next(batch));
  queue.push_slice(1, {}, false);
  EXPECT_THROW((void)queue.next(batch), Error);
}

TEST(TrainQueue, ContractsAreChecked) {
  TrainQueue queue({}, kBatch);
  const std::vector<QueuedExample> five(5);
  EXPECT_THROW(queue.push_slice(4, five, false), Error);
  queue.push_slice(5, five, false);
  EXPECT_THROW(queue.push_slice(5, five, false), Error);
  EXPECT_THROW(TrainQueue({}, 0), Error);
}

}  // namespace
}  // namespace graft
