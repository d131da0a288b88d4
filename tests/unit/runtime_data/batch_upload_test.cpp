// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/batch_upload.h"

#include <cstring>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "runtime/data/loader.h"
#include "tests/support/device.h"
#include "tests/unit/runtime_data/fake_dataset.h"

namespace graft::data {
namespace {

using testing::FakeDataset;

/// As late as a device may be: copies run when somebody has to see them.
class LateCopies final : public CopyQueue {
 public:
  struct Log {
    int waiting = 0, copied = 0;
  };
  explicit LateCopies(Log& log) : log_(log) {}

  void follow(Context&) override {}
  void copy(const void* from, void* to, std::size_t bytes) override {
    copies_.push_back([=] { std::memcpy(to, from, bytes); });
    log_.waiting = static_cast<int>(copies_.size());
  }
  void precede(Context&) override { synchronize(); }
  void synchronize() override {
    for (const auto& copy : copies_) copy();
    log_.copied += static_cast<int>(copies_.size());
    copies_.clear();
    log_.waiting = 0;
  }

 private:
  Log& log_;
  std::vector<std::function<void()>> copies_;
};

LoaderOptions options() {
  return {.batch = 16, .ring_bytes = 0, .seed = 9, .augment = {.pad = 2, .flip = true}};
}

/// A loader whose batches are copied late, beside one whose batches stay.
struct TwoLoaders {
  explicit TwoLoaders(const std::shared_ptr<FakeDataset>& dataset)
      : plain(dataset, options()),
        loader(dataset, options(), host_memory(),
               std::make_unique<BatchUpload>(ctx, std::make_unique<LateCopies>(log))) {}
  Context ctx{Backend::kCpu};
  LateCopies::Log log;
  Loader plain, loader;
};

bool same(const Batch& a, const Batch& b) {
  return a.ids == b.ids && a.x.shape() == b.x.shape() &&
         std::memcmp(a.x.data(), b.x.data(), a.x.bytes()) == 0 &&
         std::memcmp(a.y.data(), b.y.data(), a.y.bytes()) == 0;
}

TEST(BatchUpload, GivesTheLoadersBatchesAndCopiesTheNextWhileOneIsWorkedOn) {
  TwoLoaders two(std::make_shared<FakeDataset>(200));
  Loader &plain = two.plain, &loader = two.loader;
  EXPECT_EQ(loader.slots(), 3) << "in use, on its way, in the making";
  int ahead = 0;
  for (const std::uint32_t epoch : {3U, 4U}) {
    plain.start(epoch, 8);
    loader.start(epoch, 8);
    while (const Batch* want = plain.next()) {
      const Batch* got = loader.next();
      ASSERT_NE(got, nullptr);
      EXPECT_TRUE(same(*got, *want));
      EXPECT_EQ(loader.cursor(), plain.cursor());
      ahead += two.log.waiting == 2 ? 1 : 0;                      // x and y of the next
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // so that it is made
      EXPECT_TRUE(same(*got, *want)) << "while the next is made and sent";
    }
    EXPECT_EQ(loader.next(), nullptr);
  }
  EXPECT_EQ(two.log.copied, 2 * 2 * 12);
  EXPECT_GE(ahead, 1) << "of 22 batches that have a next one; how many is a matter of time";
}

TEST(BatchUpload, AnEpochThatIsGivenUpLeavesNothingBehind) {
  TwoLoaders two(std::make_shared<FakeDataset>(200));
  Loader &plain = two.plain, &loader = two.loader;
  loader.start(1);
  for (int i = 0; i < 3; ++i) ASSERT_NE(loader.next(), nullptr);
  loader.start(2);
  plain.start(2);
  while (const Batch* want = plain.next()) EXPECT_TRUE(same(*loader.next(), *want));
}

TEST(BatchUpload, ABrokenExampleIsReportedAtItsBatch) {
  auto dataset = std::make_shared<FakeDataset>(64);
  dataset->broken_id = 20;
  TwoLoaders two(dataset);
  Loader& loader = two.loader;
  std::vector<std::int64_t> ids(64);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i);
  loader.start(0, ids);
  EXPECT_NE(loader.next(), nullptr);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the broken one is made by now
  EXPECT_THROW((void)loader.next(), Error);
}

TEST(BatchUpload, BringsBatchesToADeviceAsTheyAre) {
  const auto ctx = testing::cuda_context();
  if (ctx == nullptr || ctx->queue() == nullptr) GTEST_SKIP() << "needs a CUDA device";
  const auto dataset = std::make_shared<FakeDataset>(200);
  Loader plain(dataset, options());
  Loader loader(dataset, options(), pinned_memory(),
                std::make_unique<BatchUpload>(*ctx, make_cuda_copy_queue()));
  plain.start(1);
  loader.start(1);
  while (const Batch* want = plain.next()) {
    const Batch* sent = loader.next();
    ASSERT_NE(sent, nullptr);
    Batch got{Tensor::allocate(host_memory(), sent->x.shape()),
              Tensor::allocate(host_memory(), sent->y.shape(), DType::kI32),
              sent->ids,
              {}};
    copy_to_host(*ctx, sent->x, got.x.data());
    copy_to_host(*ctx, sent->y, got.y.data());
    EXPECT_TRUE(same(got, *want));
  }
}

}  // namespace
}  // namespace graft::data
