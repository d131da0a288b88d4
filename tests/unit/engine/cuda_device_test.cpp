// SPDX-License-Identifier: Apache-2.0
#include "engine/device/cuda_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/device/handle.h"

namespace graft {
namespace {

using ::testing::HasSubstr;

/// A machine and a build where everything is right.
CudaProbe working() {
  CudaProbe p;
  p.built = true;
  p.runtime_version = 13000;
  p.driver_version = 13000;
  p.devices = {{"NVIDIA H200", 9, 0, std::size_t{140} << 30}};
  return p;
}

CudaProbe judged(CudaProbe p) {
  judge_cuda(p);
  return p;
}

TEST(CudaProbe, FindsNothingWrongWithAMatch) {
  EXPECT_EQ(judged(working()).reason, "");
  EXPECT_EQ(judged(working()).mend, "");
  CudaProbe newer = working();
  newer.driver_version = 14010;
  EXPECT_EQ(judged(newer).reason, "");
  CudaProbe minor = working();
  minor.runtime_version = 13020;  // minor versions of one major run on each other
  EXPECT_EQ(judged(minor).reason, "");
}

TEST(CudaProbe, NamesWhatIsMissingAndItsMend) {
  CudaProbe p;
  EXPECT_THAT(judged(p).reason, HasSubstr("no CUDA"));
  EXPECT_THAT(judged(p).mend, HasSubstr("cmake --preset cuda"));
  p = working();
  p.driver_version = 0;
  p.devices.clear();
  EXPECT_THAT(judged(p).reason, HasSubstr("no NVIDIA driver"));
  EXPECT_THAT(judged(p).mend, HasSubstr("nvidia-driver"));
  p.driver_version = 12080;
  EXPECT_THAT(judged(p).reason, HasSubstr("supports CUDA 12.8, this build needs 13.0"));
  EXPECT_THAT(judged(p).mend, HasSubstr("build with CUDA 12.x"));
  p.driver_version = 13000;
  EXPECT_THAT(judged(p).reason, HasSubstr("no CUDA device"));
  p.devices = {{"Tesla T4", 7, 5, 1}};
  EXPECT_THAT(judged(p).reason, HasSubstr("Tesla T4 has compute capability 7.5"));
}

int closed = 0;
void close_one(int*) { ++closed; }

TEST(Handle, ClosesOnceWhateverMoves) {
  int a = 0, b = 0;
  {
    Handle<int*, close_one> first(&a);
    Handle<int*, close_one> second(std::move(first));
    EXPECT_EQ(second.get(), &a);
    second = Handle<int*, close_one>(&b);
    EXPECT_EQ(closed, 1);
    EXPECT_EQ(second.get(), &b);
  }
  EXPECT_EQ(closed, 2);
}

}  // namespace
}  // namespace graft
