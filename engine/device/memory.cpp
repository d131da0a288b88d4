// SPDX-License-Identifier: Apache-2.0
#include "engine/device/memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <sys/mman.h>

#include "engine/core/error.h"

namespace graft {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kGuardBytes = 64;
constexpr int kGuardPattern = 0xA5;

std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

class HostResource final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes) override {
    const std::size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
    const std::size_t rounded = round_up(std::max<std::size_t>(bytes, 1), alignment);
    void* data = std::aligned_alloc(alignment, rounded);
    if (data == nullptr) {
      fail(Errc::kOutOfMemory, "host memory: cannot allocate ", bytes, " bytes (", bytes >> 20,
           " MiB); use a smaller batch or model");
    }
    // Best effort: fewer page faults and TLB misses on activation arenas.
    if (alignment == kHugePage) (void)::madvise(data, rounded, MADV_HUGEPAGE);
    return data;
  }
  void deallocate(void* data, std::size_t) noexcept override { std::free(data); }
};

bool is_pattern(const std::byte* p) {
  return std::all_of(p, p + kGuardBytes, [](std::byte b) { return b == std::byte{kGuardPattern}; });
}

}  // namespace

MemoryResource& host_memory() {
  static HostResource instance;
  return instance;
}

void* StatsResource::allocate(std::size_t bytes) {
  void* data = upstream_.allocate(bytes);
  ++allocations_;
  const std::int64_t now = in_use_ += static_cast<std::int64_t>(bytes);
  std::int64_t peak = peak_;
  while (now > peak && !peak_.compare_exchange_weak(peak, now)) {
  }
  return data;
}

void StatsResource::deallocate(void* data, std::size_t bytes) noexcept {
  in_use_ -= static_cast<std::int64_t>(bytes);
  upstream_.deallocate(data, bytes);
}

void* LimitResource::allocate(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  if (bytes > limit_ - in_use_) {
    fail(Errc::kOutOfMemory, "memory limit: ", bytes, " bytes asked, ", limit_ - in_use_, " of ",
         limit_, " left");
  }
  void* data = upstream_.allocate(bytes);
  in_use_ += bytes;
  return data;
}

void LimitResource::deallocate(void* data, std::size_t bytes) noexcept {
  const std::scoped_lock lock(mutex_);
  in_use_ -= bytes;
  upstream_.deallocate(data, bytes);
}

void* GuardResource::allocate(std::size_t bytes) {
  auto* base = static_cast<std::byte*>(upstream_.allocate(bytes + 2 * kGuardBytes));
  std::memset(base, kGuardPattern, kGuardBytes);
  std::memset(base + kGuardBytes + bytes, kGuardPattern, kGuardBytes);
  const std::scoped_lock lock(mutex_);
  blocks_[base] = bytes;
  return base + kGuardBytes;
}

void GuardResource::deallocate(void* data, std::size_t bytes) noexcept {
  auto* base = static_cast<std::byte*>(data) - kGuardBytes;
  const std::scoped_lock lock(mutex_);
  if (!is_pattern(base) || !is_pattern(base + kGuardBytes + bytes)) broken_ = true;
  blocks_.erase(base);
  upstream_.deallocate(base, bytes + 2 * kGuardBytes);
}

bool GuardResource::intact() const {
  const std::scoped_lock lock(mutex_);
  return !broken_ && std::all_of(blocks_.begin(), blocks_.end(), [](const auto& block) {
    return is_pattern(block.first) && is_pattern(block.first + kGuardBytes + block.second);
  });
}

Buffer::Buffer(MemoryResource& memory, std::size_t bytes)
    : memory_(&memory), data_(memory.allocate(bytes)), bytes_(bytes) {}

Buffer::Buffer(Buffer&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) memory_->deallocate(data_, bytes_);
}

}  // namespace graft
