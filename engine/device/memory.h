// SPDX-License-Identifier: Apache-2.0
// Where bytes come from: a resource, its decorators, and the buffer that owns what it got.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace graft {

/// Allocates aligned blocks. Thread-safe.
class MemoryResource {
 public:
  static constexpr std::size_t kAlignment = 64;

  MemoryResource() = default;
  MemoryResource(const MemoryResource&) = delete;
  MemoryResource& operator=(const MemoryResource&) = delete;
  virtual ~MemoryResource() = default;

  /// At least `bytes` bytes, aligned to kAlignment; throws Error(kOutOfMemory) that says the bytes.
  [[nodiscard]] virtual void* allocate(std::size_t bytes) = 0;
  virtual void deallocate(void* data, std::size_t bytes) noexcept = 0;
};

/// Host memory. Large blocks are advised to use huge pages.
[[nodiscard]] MemoryResource& host_memory();

/// Counts what passes through.
class StatsResource final : public MemoryResource {
 public:
  explicit StatsResource(MemoryResource& upstream) : upstream_(upstream) {}
  [[nodiscard]] void* allocate(std::size_t bytes) override;
  void deallocate(void* data, std::size_t bytes) noexcept override;

  [[nodiscard]] std::int64_t allocations() const { return allocations_; }
  [[nodiscard]] std::int64_t bytes_in_use() const { return in_use_; }
  [[nodiscard]] std::int64_t peak_bytes() const { return peak_; }

 private:
  MemoryResource& upstream_;
  std::atomic<std::int64_t> allocations_ = 0, in_use_ = 0, peak_ = 0;
};

/// Refuses to hand out more than `limit_bytes` at once (Error(kOutOfMemory)).
class LimitResource final : public MemoryResource {
 public:
  LimitResource(MemoryResource& upstream, std::size_t limit_bytes)
      : upstream_(upstream), limit_(limit_bytes) {}
  [[nodiscard]] void* allocate(std::size_t bytes) override;
  void deallocate(void* data, std::size_t bytes) noexcept override;

 private:
  MemoryResource& upstream_;
  std::size_t limit_;
  std::mutex mutex_;
  std::size_t in_use_ = 0;
};

/// Surrounds every host block with 64 bytes of pattern; intact() tells whether all still hold.
class GuardResource final : public MemoryResource {
 public:
  explicit GuardResource(MemoryResource& upstream) : upstream_(upstream) {}
  [[nodiscard]] void* allocate(std::size_t bytes) override;
  void deallocate(void* data, std::size_t bytes) noexcept override;
  [[nodiscard]] bool intact() const;

 private:
  MemoryResource& upstream_;
  mutable std::mutex mutex_;
  std::map<std::byte*, std::size_t> blocks_;
  bool broken_ = false;
};

/// Owns one block of a resource. Move-only.
class Buffer {
 public:
  Buffer() = default;
  Buffer(MemoryResource& memory, std::size_t bytes);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  [[nodiscard]] void* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  MemoryResource* memory_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace graft
