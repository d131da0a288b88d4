// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/loader.h"

#include <chrono>
#include <cstring>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"
#include "tests/unit/runtime_data/count_allocations.h"
#include "tests/unit/runtime_data/fake_dataset.h"

namespace graft::data {
namespace {

using testing::FakeDataset;

/// Everything about the batches of one epoch, as one text.
struct Trace {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> sizes;
  std::vector<float> pixels;
  std::vector<std::int32_t> labels;
  friend bool operator==(const Trace&, const Trace&) = default;
};

void append(const Batch& batch, Trace& trace) {
  trace.ids.insert(trace.ids.end(), batch.ids.begin(), batch.ids.end());
  trace.sizes.push_back(batch.size());
  const float* x = batch.x.ptr<float>();
  trace.pixels.insert(trace.pixels.end(), x, x + batch.x.numel());
  const std::int32_t* y = batch.y.ptr<std::int32_t>();
  trace.labels.insert(trace.labels.end(), y, y + batch.y.numel());
}

Trace drain(Loader& loader) {
  Trace trace;
  while (const Batch* batch = loader.next()) append(*batch, trace);
  return trace;
}

LoaderOptions options(int threads = 1, std::size_t ring_bytes = 0) {
  LoaderOptions o;
  o.batch = 16;
  o.threads = threads;
  o.ring_bytes = ring_bytes;
  o.seed = 9;
  o.augment = {.pad = 2, .flip = true, .cutout = 4};
  return o;
}

std::shared_ptr<FakeDataset> dataset(std::int64_t n = 200) {
  auto d = std::make_shared<FakeDataset>(n);
  d->slow = true;
  return d;
}

Trace reference_epoch() {
  Loader loader(dataset(), options());
  loader.start(4);
  return drain(loader);
}

TEST(Loader, DeliversTheEpochOrder) {
  const Trace trace = reference_epoch();
  EXPECT_EQ(trace.ids, epoch_order(200, 9, 4));
  EXPECT_EQ(trace.sizes.size(), 13u);
  EXPECT_EQ(trace.sizes.back(), 8);  // 200 = 12 * 16 + 8
}

TEST(Loader, SequenceDoesNotDependOnThreadsOrRing) {
  const Trace expected = reference_epoch();
  for (const int threads : {1, 2, 4}) {
    for (const std::size_t ring : {std::size_t{0}, std::size_t{40000}, std::size_t{1} << 20}) {
      Loader loader(dataset(), options(threads, ring));
      for (const std::uint32_t epoch : {3u, 4u}) {
        loader.start(epoch);
        const Trace trace = drain(loader);
        EXPECT_EQ(trace == expected, epoch == 4) << threads << " threads, ring " << ring;
      }
    }
  }
}

TEST(Loader, ResumeContinuesWhereItStopped) {
  const Trace expected = reference_epoch();
  for (const int stop_after : {0, 1, 5, 13}) {
    Trace trace;
    std::int64_t cursor = 0;
    {
      Loader first(dataset(), options(2, 100000));
      first.start(4);
      for (int b = 0; b < stop_after; ++b) append(*first.next(), trace);
      cursor = first.cursor();
    }
    Loader second(dataset(), options(3));
    second.start(4, cursor);
    while (const Batch* batch = second.next()) append(*batch, trace);
    EXPECT_EQ(trace, expected) << stop_after;
    EXPECT_EQ(second.cursor(), 200);
  }
}

TEST(Loader, TakesTheListOfASampler) {
  const std::vector<std::int64_t> ids = {5, 5, 199, 0, 7, 3, 3, 3};
  Loader loader(dataset(), options(2));
  loader.start(1, ids);
  EXPECT_EQ(loader.epoch_size(), 8);
  EXPECT_EQ(drain(loader).ids, ids);
  loader.start(2, ids, 6);
  EXPECT_EQ(drain(loader).ids, (std::vector<std::int64_t>{3, 3}));
  loader.start(3, std::vector<std::int64_t>{});
  EXPECT_EQ(loader.next(), nullptr);
  EXPECT_TRUE(testing::fails_with(Errc::kInvalidArgument, {"id 200 of 200"},
                                  [&] { loader.start(1, {200}); }));
}

TEST(Loader, MakeBatchGivesTheSameBits) {
  Loader loader(dataset(), options(2));
  loader.start(4);
  (void)loader.next();
  const Batch* batch = loader.next();
  ASSERT_NE(batch, nullptr);
  const Batch again =
      make_batch(dataset(), batch->ids, batch->epochs, options().augment, options().seed);
  EXPECT_EQ(batch->epochs.front(), 4u);
  ASSERT_EQ(again.x.bytes(), batch->x.bytes());
  EXPECT_EQ(std::memcmp(again.x.data(), batch->x.data(), again.x.bytes()), 0);
  EXPECT_EQ(std::memcmp(again.y.data(), batch->y.data(), again.y.bytes()), 0);
  // Row by row, in another order and in one-row batches: still the same bits.
  const std::size_t row_bytes = again.x.bytes() / 16;
  const Batch one = make_batch(dataset(), std::span(batch->ids).subspan(9, 1),
                               std::span(batch->epochs).subspan(9, 1), options().augment, 9);
  EXPECT_EQ(
      std::memcmp(one.x.data(), static_cast<std::byte*>(again.x.data()) + 9 * row_bytes, row_bytes),
      0);
}

TEST(Loader, DropLastLeavesOutThePartialBatch) {
  LoaderOptions o = options();
  o.drop_last = true;
  Loader loader(dataset(), o);
  loader.start(0);
  const Trace trace = drain(loader);
  EXPECT_EQ(trace.sizes, std::vector<std::int64_t>(12, 16));
}

TEST(Loader, ErrorSurfacesAtItsBatchAndStays) {
  const auto broken = dataset();
  broken->broken_id = epoch_order(200, 9, 4)[40];  // third batch
  Loader loader(broken, options(3, 200000));
  loader.start(4);
  EXPECT_NE(loader.next(), nullptr);
  EXPECT_NE(loader.next(), nullptr);
  for (int again = 0; again < 2; ++again) {
    EXPECT_TRUE(testing::fails_with(Errc::kData, {"is broken"}, [&] { (void)loader.next(); }));
  }
  EXPECT_EQ(loader.cursor(), 32);
  loader.start(4, {1, 2, 3});  // an epoch without the example
  EXPECT_EQ(drain(loader).ids.size(), 3u);
}

TEST(Loader, ABatchStaysUntilTheNextIsAskedFor) {
  Loader loader(dataset(), options(4));  // two slots
  EXPECT_EQ(loader.slots(), 2);
  loader.start(4);
  const Batch* batch = loader.next();
  Trace before;
  append(*batch, before);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the threads fill what they may
  Trace after;
  append(*batch, after);
  EXPECT_EQ(before, after);
}

TEST(Loader, StartInTheMiddleGivesUpTheRest) {
  Loader loader(dataset(), options(2, 100000));
  for (std::uint32_t epoch = 0; epoch < 20; ++epoch) {
    loader.start(epoch);
    for (std::uint32_t b = 0; b < epoch % 4; ++b) (void)loader.next();
  }
  loader.start(4);
  EXPECT_EQ(drain(loader), reference_epoch());
}

TEST(Loader, RingBytesBoundTheMemory) {
  StatsResource memory(host_memory());
  Loader loader(dataset(), options(1, 50000), memory);
  // A batch of 16 images of 8 x 6 x 3 floats and labels takes 9280 bytes.
  EXPECT_EQ(loader.slots(), 5);
  EXPECT_LE(memory.peak_bytes(), 5 * 9280 + 16 * 144);
}

TEST(Loader, WarmBatchesAllocateNothing) {
  const auto plain = std::make_shared<FakeDataset>(1600);
  StatsResource memory(host_memory());
  Loader loader(plain, options(2, 100000), memory);
  loader.start(0);
  (void)drain(loader);
  loader.start(1);
  for (int b = 0; b < 30; ++b) ASSERT_NE(loader.next(), nullptr);
  const std::int64_t warm = testing::allocations(), warm_memory = memory.allocations();
  for (int b = 0; b < 40; ++b) (void)loader.next();
  EXPECT_EQ(testing::allocations(), warm);
  EXPECT_EQ(memory.allocations(), warm_memory);
}

TEST(Loader, CountsTheTimeItWasWaitedFor) {
  Loader loader(dataset(2000), options());
  loader.start(0);
  while (loader.next() != nullptr) {
  }
  EXPECT_GT(loader.stats().wait_seconds, 0);
  EXPECT_TRUE(loader.stats().bad_files.empty());
}

}  // namespace
}  // namespace graft::data
