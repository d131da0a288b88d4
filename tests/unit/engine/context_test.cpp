// SPDX-License-Identifier: Apache-2.0
#include "engine/device/context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/device/cuda_device.h"

namespace graft {
namespace {

using ::testing::HasSubstr;

TEST(Workspace, GrowsAndNeverShrinks) {
  StatsResource stats(host_memory());
  Context ctx(Backend::kCpu, 1, stats);
  void* first = ctx.workspace().get(1000);
  EXPECT_EQ(ctx.workspace().get(10), first);
  EXPECT_EQ(ctx.workspace().bytes(), 1000u);
  EXPECT_EQ(stats.allocations(), 1);
  (void)ctx.workspace().get(2000);
  EXPECT_EQ(stats.allocations(), 2);
  EXPECT_EQ(stats.peak_bytes(), 2000) << "the old block must go before the new one comes";
}

/// Counts its lives.
struct Counted {
  explicit Counted(Context&) { ++alive; }
  ~Counted() { --alive; }
  static inline int alive = 0;
};

TEST(Context, MakesStateOnceAndDropsItAtTheEnd) {
  {
    Context a(Backend::kCpu), b(Backend::kCpu);
    Counted* first = &a.state<Counted>();
    EXPECT_EQ(&a.state<Counted>(), first);
    EXPECT_NE(&b.state<Counted>(), first);
    EXPECT_EQ(Counted::alive, 2);
  }
  EXPECT_EQ(Counted::alive, 0);
}

TEST(Context, RefusesZeroThreads) { EXPECT_THROW(Context(Backend::kCpu, 0), Error); }

TEST(Context, SaysWhyThereIsNoCuda) {
  const CudaProbe probe = probe_cuda();
  if (probe.reason.empty()) GTEST_SKIP() << "there is a CUDA device";
  try {
    const Context ctx(Backend::kCuda);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kUnavailable);
    EXPECT_THAT(e.what(), HasSubstr(probe.reason));
    EXPECT_THAT(e.what(), HasSubstr(probe.mend));
    EXPECT_THAT(e.what(), HasSubstr("--device cpu"));
  }
}

TEST(Context, RunsTheKernelsOfCudaOnTheHostOnlyInABuildWithoutIt) {
  if (probe_cuda().built) {
    EXPECT_THROW(Context(CudaOnHost{}, host_memory()), Error);
    return;
  }
  Context ctx(CudaOnHost{}, host_memory());
  EXPECT_EQ(ctx.backend(), Backend::kCuda);
  EXPECT_EQ(ctx.queue(), nullptr);
}

TEST(Context, CopiesBetweenHostAndTensor) {
  Context ctx(Backend::kCpu);
  const float values[] = {1, 2, 3};
  float back[3] = {};
  Tensor t = Tensor::allocate(host_memory(), {3});
  copy_from_host(ctx, values, t);
  copy_to_host(ctx, t, back);
  EXPECT_EQ(back[2], 3);
  fill_zero(ctx, t);
  EXPECT_EQ(t.ptr<float>()[2], 0);
}

}  // namespace
}  // namespace graft
