// SPDX-License-Identifier: Apache-2.0
// Files, read and written so that an error or a crash leaves nothing half-done. Every write of the
// project goes through this header; its failures are Error(kIo) naming the path and the cause.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

namespace graft {

/// An open file descriptor. Move-only.
class FileHandle {
 public:
  explicit FileHandle(int fd = -1) : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept;
  FileHandle& operator=(FileHandle&& other) noexcept;
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  ~FileHandle();
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

/// A regular file open for reading at any offset. Thread-safe.
class FileReader {
 public:
  explicit FileReader(const std::filesystem::path& path);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Of a file that another writer appends to: its size now.
  [[nodiscard]] std::uint64_t current_size() const;
  /// Exactly `bytes` bytes from `offset`; a file that has become shorter is an error.
  void read_at(std::uint64_t offset, void* to, std::uint64_t bytes) const;

 private:
  std::filesystem::path path_;
  FileHandle file_;
  std::uint64_t size_ = 0;
};

/// All bytes of a regular file of at most `max_bytes`.
[[nodiscard]] std::string read_file(
    const std::filesystem::path& path,
    std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max());

/// Receives the bytes of a file that is being written.
using WriteSink = std::function<void(const void* data, std::size_t bytes)>;

/// Writes what `produce` hands to its sink: `path`.tmp, fsync, rename, fsync of the folder. Readers
/// see the old file or the new one; on failure the old one stays and the temporary one is removed.
/// `expected_bytes`, if known, are reserved first, so that a full disk is noticed before writing.
void atomic_write(const std::filesystem::path& path,
                  const std::function<void(const WriteSink&)>& produce,
                  std::uint64_t expected_bytes = 0);
void atomic_write(const std::filesystem::path& path, std::string_view bytes);

/// A file that only grows, or is cut back to an earlier length.
class AppendFile {
 public:
  /// Opens or creates.
  explicit AppendFile(const std::filesystem::path& path);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// All of `bytes` or, on failure, none.
  void append(std::string_view bytes);
  /// Returns when everything appended is on the disk.
  void sync();
  /// Keeps the first `size` bytes; a size beyond the end is a caller's error.
  void truncate(std::uint64_t size);

 private:
  std::filesystem::path path_;
  FileHandle file_;
  std::uint64_t size_ = 0;
};

/// Creates the folder and its parents; one that exists is fine.
void make_folder(const std::filesystem::path& path);

/// Gives a finished file or folder its final name, which must not exist, and returns when that is
/// on the disk.
void rename_path(const std::filesystem::path& from, const std::filesystem::path& to);

/// Makes writes of this process fail, for tests of what happens then.
struct WriteFault {
  static constexpr std::int64_t kNever = -1;
  std::int64_t after_bytes = kNever;  ///< bytes that are still written, the last of them short
  std::int64_t after_calls =
      kNever;            ///< open, write, fsync, rename and truncate calls that succeed
  int error_number = 0;  ///< errno of the failure
  bool once = false;     ///< later calls succeed again
};

/// Sets a fault for its own lifetime. One at a time.
class ScopedWriteFault {
 public:
  explicit ScopedWriteFault(const WriteFault& fault);
  ~ScopedWriteFault();
  ScopedWriteFault(const ScopedWriteFault&) = delete;
  ScopedWriteFault& operator=(const ScopedWriteFault&) = delete;
  /// How often a call was made to fail so far.
  [[nodiscard]] static int hits();
};

}  // namespace graft
