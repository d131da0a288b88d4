// SPDX-License-Identifier: Apache-2.0
#include "engine/device/memory.h"

#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace graft {
namespace {

using ::testing::HasSubstr;

/// Message of the Error(kOutOfMemory) that allocating `bytes` throws.
std::string refusal(MemoryResource& memory, std::size_t bytes) {
  try {
    const Buffer b(memory, bytes);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kOutOfMemory);
    return e.what();
  }
  return "accepted";
}

TEST(HostMemory, IsAlignedAndWritable) {
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{4097}, std::size_t{3} << 20}) {
    const Buffer b(host_memory(), bytes);
    ASSERT_NE(b.data(), nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.data()) % MemoryResource::kAlignment, 0u);
    std::memset(b.data(), 1, bytes);
  }
}

#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // they stop the process instead
TEST(HostMemory, SaysTheBytesThatItCannotGive) {
  EXPECT_THAT(refusal(host_memory(), std::size_t{1} << 60), HasSubstr("1152921504606846976 bytes"));
}
#endif

TEST(StatsResource, CountsAllocationsBytesAndPeak) {
  StatsResource stats(host_memory());
  {
    const Buffer a(stats, 100);
    {
      const Buffer b(stats, 50);
      EXPECT_EQ(stats.bytes_in_use(), 150);
    }
    const Buffer c(stats, 20);
    EXPECT_EQ(stats.bytes_in_use(), 120);
  }
  EXPECT_EQ(stats.allocations(), 3);
  EXPECT_EQ(stats.bytes_in_use(), 0);
  EXPECT_EQ(stats.peak_bytes(), 150);
}

TEST(StatsResource, DoesNotCountWhatFailed) {
  LimitResource limit(host_memory(), 10);
  StatsResource stats(limit);
  EXPECT_NE(refusal(stats, 11), "accepted");
  EXPECT_EQ(stats.allocations(), 0);
  EXPECT_EQ(stats.bytes_in_use(), 0);
}

TEST(StatsResource, IsThreadSafe) {
  StatsResource stats(host_memory());
  const auto work = [&] {
    for (int i = 0; i < 1000; ++i) const Buffer b(stats, 8);
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(stats.allocations(), 2000);
  EXPECT_EQ(stats.bytes_in_use(), 0);
  EXPECT_GE(stats.peak_bytes(), 8);
  EXPECT_LE(stats.peak_bytes(), 16);
}

TEST(LimitResource, RefusesAboveItsLimitAndSaysTheNumbers) {
  LimitResource limit(host_memory(), 100);
  const Buffer a(limit, 60);
  EXPECT_THAT(refusal(limit, 41), HasSubstr("41 bytes asked, 40 of 100 left"));
  EXPECT_EQ(refusal(limit, 40), "accepted");
}

TEST(LimitResource, GetsBackWhatIsFreed) {
  LimitResource limit(host_memory(), 100);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(limit, 100), "accepted");
}

TEST(GuardResource, AcceptsWritesInsideTheBlock) {
  GuardResource guard(host_memory());
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{1000}}) {
    const Buffer b(guard, bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.data()) % MemoryResource::kAlignment, 0u);
    std::memset(b.data(), 0, bytes);
    EXPECT_TRUE(guard.intact());
  }
  EXPECT_TRUE(guard.intact());
}

TEST(GuardResource, SeesOneByteOutsideAtEitherEnd) {
  constexpr std::ptrdiff_t kBytes = 10;
  for (const std::ptrdiff_t at : {std::ptrdiff_t{-64}, std::ptrdiff_t{-1}, kBytes, kBytes + 63}) {
    GuardResource guard(host_memory());
    const Buffer b(guard, kBytes);
    auto* byte = static_cast<unsigned char*>(b.data()) + at;
    const unsigned char before = *byte;
    *byte = 0;
    EXPECT_FALSE(guard.intact()) << at;
    *byte = before;
    EXPECT_TRUE(guard.intact()) << at;
  }
}

TEST(GuardResource, RemembersBrokenBlocksThatWereFreed) {
  GuardResource guard(host_memory());
  {
    const Buffer b(guard, 10);
    static_cast<unsigned char*>(b.data())[10] = 0;
  }
  EXPECT_FALSE(guard.intact());
}

TEST(Buffer, FreesOnceWhenMoved) {
  StatsResource stats(host_memory());
  {
    Buffer a(stats, 10);
    void* data = a.data();
    Buffer b = std::move(a);
    EXPECT_EQ(b.data(), data);
    EXPECT_EQ(b.bytes(), 10u);
    EXPECT_EQ(stats.bytes_in_use(), 10);
    Buffer c(stats, 20);
    c = std::move(b);
    EXPECT_EQ(c.data(), data);
    EXPECT_EQ(stats.allocations(), 2);
  }
  EXPECT_EQ(stats.bytes_in_use(), 0);
}

TEST(Buffer, IsEmptyByDefault) {
  const Buffer b;
  EXPECT_EQ(b.data(), nullptr);
  EXPECT_EQ(b.bytes(), 0u);
}

}  // namespace
}  // namespace graft
