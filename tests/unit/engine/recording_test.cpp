// SPDX-License-Identifier: Apache-2.0
// Under GRAFT_TEST_DEVICE=cuda: CUDA graphs; else the calls themselves.
#include "engine/device/recording.h"

#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/tensor/tensor.h"
#include "tests/support/device.h"

namespace graft {
namespace {

using testing::cuda_context;

class RecordingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ctx_ = cuda_context();
    GRAFT_SKIP_WITHOUT(ctx_);
    t_ = Tensor::allocate(ctx_->memory(), {16});
    fill();
  }
  void fill() {
    const std::vector<float> ones(16, 1);
    copy_from_host(*ctx_, ones.data(), t_);
  }
  float first() {
    std::vector<float> host(16);
    copy_to_host(*ctx_, t_, host.data());
    return host[0];
  }

  std::unique_ptr<Context> ctx_;
  Tensor t_;
};

TEST_F(RecordingTest, RunsNothingUntilItIsRunAndThenAsOftenAsAsked) {
  const auto work = record(*ctx_, [this] { fill_zero(*ctx_, t_); });
  EXPECT_EQ(first(), 1);
  EXPECT_FALSE(is_recording(*ctx_));
  for (int i = 0; i < 3; ++i) {
    fill();
    work->run();
    EXPECT_EQ(first(), 0);
  }
  EXPECT_TRUE(work->valid());
}

TEST_F(RecordingTest, SkipsTheSecondPartUnlessTheBranchIsSet) {
  const auto work = record_if(
      *ctx_, [](const Branch&) {}, [this] { fill_zero(*ctx_, t_); });
  work->run();
  EXPECT_EQ(first(), 1) << "nobody set it";
  if (ctx_->queue() != nullptr) return;  // there only a kernel can set it: see DeviceTraining
  record_if(
      *ctx_, [](const Branch& b) { *b.flag = 1; }, [this] { fill_zero(*ctx_, t_); })
      ->run();
  EXPECT_EQ(first(), 0);
}

TEST_F(RecordingTest, OnADeviceSaysWhatCannotBeRecordedAndGoesOn) {
  if (ctx_->queue() == nullptr) GTEST_SKIP() << "needs a device";
  try {
    (void)record(*ctx_, [this] { (void)first(); });
    ADD_FAILURE() << "a wait was recorded";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kUnsupported);
    EXPECT_NE(std::string(e.what()).find("CUDA graph"), std::string::npos) << e.what();
  }
  fill_zero(*ctx_, t_);
  EXPECT_EQ(first(), 0);
}

TEST_F(RecordingTest, OnADeviceEndsWithTheMemoryThatItMayUse) {
  if (ctx_->queue() == nullptr) GTEST_SKIP() << "needs a device";
  const auto work = record(*ctx_, [this] { fill_zero(*ctx_, t_); });
  EXPECT_TRUE(work->valid());
  { const Tensor gone = Tensor::allocate(ctx_->memory(), {4}); }
  EXPECT_FALSE(work->valid());
}

}  // namespace
}  // namespace graft
