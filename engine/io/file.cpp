// SPDX-License-Identifier: Apache-2.0
#include "engine/io/file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "engine/core/error.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

std::string describe(int error_number) { return std::generic_category().message(error_number); }

/// The fault that tests asked for. Not atomic counters: the mutex costs nothing next to a write.
class FaultState {
 public:
  void set(const WriteFault& fault) {
    const std::scoped_lock lock(mutex_);
    fault_ = fault;
    armed_ = true;
    hits_ = 0;
  }
  void clear() {
    const std::scoped_lock lock(mutex_);
    armed_ = false;
  }
  int hits() {
    const std::scoped_lock lock(mutex_);
    return hits_;
  }
  /// 0, or the errno with which the call must fail. Lowers `bytes` to what still fits.
  int before_call(std::size_t* bytes) {
    const std::scoped_lock lock(mutex_);
    if (!armed_) return 0;
    if (fault_.after_calls == 0) return hit();
    if (fault_.after_calls > 0) --fault_.after_calls;
    if (bytes == nullptr || fault_.after_bytes < 0) return 0;
    if (fault_.after_bytes == 0 && *bytes > 0) return hit();
    *bytes = std::min(*bytes, static_cast<std::size_t>(fault_.after_bytes));
    fault_.after_bytes -= static_cast<std::int64_t>(*bytes);
    return 0;
  }

 private:
  int hit() {
    ++hits_;
    if (fault_.once) armed_ = false;
    return fault_.error_number;
  }

  std::mutex mutex_;
  WriteFault fault_;
  bool armed_ = false;
  int hits_ = 0;
};

FaultState& faults() {
  static FaultState instance;
  return instance;
}

/// Runs `call` until it is not interrupted; -1 with errno set on failure.
template <class F>
auto faultable(std::size_t* bytes, F&& call) -> decltype(call()) {
  while (true) {
    const int injected = faults().before_call(bytes);
    if (injected != 0) errno = injected;
    const auto result = injected != 0 ? decltype(call()){-1} : call();
    if (result != -1 || errno != EINTR) return result;
  }
}

template <class F>
auto faultable(F&& call) {
  return faultable(nullptr, std::forward<F>(call));
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Reports the failed `action` with the space that is left where `path` is.
[[noreturn]] void fail_write(const char* action, const fs::path& path, int error_number,
                             std::uint64_t needed) {
  std::string space;
  struct statvfs info {};
  if (::statvfs(folder_of(path).c_str(), &info) == 0) {
    space = detail::cat(" (needed ", needed, " bytes, ",
                        std::uint64_t{info.f_bavail} * info.f_frsize, " bytes free there)");
  }
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  fail(Errc::kIo, "cannot ", action, " ", path.string(), ": ", describe(error_number), space,
       full ? "; free some space and run again" : "; check the path, its permissions and the disk");
}

/// Writes everything. 0 or the errno.
int write_all(int fd, const char* data, std::size_t bytes) {
  while (bytes > 0) {
    std::size_t chunk = bytes;
    const ssize_t n = faultable(&chunk, [&] { return ::write(fd, data, chunk); });
    if (n == -1) return errno;
    data += n;
    bytes -= static_cast<std::size_t>(n);
  }
  return 0;
}

/// Makes a rename or a new file in `folder` survive a power cut. 0 or the errno.
int sync_folder(const fs::path& folder) {
  const FileHandle handle(
      faultable([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (handle.fd() == -1) return errno;
  if (faultable([&] { return ::fsync(handle.fd()); }) == 0) return 0;
  return errno == EINVAL ? 0 : errno;  // some file systems cannot sync folders
}

/// The temporary file of an atomic write; removed unless it was renamed.
class TemporaryFile {
 public:
  TemporaryFile(const fs::path& target, std::uint64_t expected_bytes)
      : target_(target), path_(target.string() + ".tmp"), expected_(expected_bytes) {
    constexpr mode_t kMode = 0666;
    file_ = FileHandle(faultable([&] {
      return ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, kMode);
    }));
    if (file_.fd() == -1) fail_write("create", path_, errno, expected_);
    created_ = true;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (created_) ::unlink(path_.c_str());
  }

  /// Takes the space now, where the file system can; elsewhere the write itself will tell.
  void reserve() {
    if (expected_ == 0) return;
    const int status =
        ::fallocate(file_.fd(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(expected_));
    if (status == -1 && (errno == ENOSPC || errno == EDQUOT)) {
      fail_write("reserve space for", target_, errno, expected_);
    }
  }
  void write(const void* data, std::size_t bytes) {
    const int error = write_all(file_.fd(), static_cast<const char*>(data), bytes);
    written_ += bytes;
    if (error != 0) fail_write("write", target_, error, std::max(expected_, written_));
  }
  void commit() {
    if (faultable([&] { return ::fsync(file_.fd()); }) == -1) {
      fail_write("flush", target_, errno, written_);
    }
    if (faultable([&] { return ::rename(path_.c_str(), target_.c_str()); }) == -1) {
      fail_write("replace", target_, errno, written_);
    }
    created_ = false;
    if (const int error = sync_folder(folder_of(target_)); error != 0) {
      fail_write("flush the folder of", target_, error, written_);
    }
  }

 private:
  fs::path target_, path_;
  std::uint64_t expected_, written_ = 0;
  FileHandle file_;
  bool created_ = false;
};

}  // namespace

FileHandle::FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileHandle::~FileHandle() {
  if (fd_ != -1) ::close(fd_);
}

FileReader::FileReader(const fs::path& path)
    : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (file_.fd() == -1) fail(Errc::kIo, "cannot open ", path.string(), ": ", describe(errno));
  size_ = current_size();
}

std::uint64_t FileReader::current_size() const {
  struct stat info {};
  if (::fstat(file_.fd(), &info) == -1) {
    fail(Errc::kIo, "cannot examine ", path_.string(), ": ", describe(errno));
  }
  if (!S_ISREG(info.st_mode))
    fail(Errc::kIo, "cannot read ", path_.string(), ": not a regular file");
  return static_cast<std::uint64_t>(info.st_size);
}

void FileReader::read_at(std::uint64_t offset, void* to, std::uint64_t bytes) const {
  auto* out = static_cast<char*>(to);
  for (std::uint64_t done = 0; done < bytes;) {
    const ssize_t n =
        ::pread(file_.fd(), out + done, bytes - done, static_cast<off_t>(offset + done));
    if (n == -1 && errno == EINTR) continue;
    if (n == -1) {
      fail(Errc::kIo, "cannot read ", path_.string(), " at byte ", offset + done, ": ",
           describe(errno));
    }
    if (n == 0) {
      fail(Errc::kIo, "cannot read ", path_.string(), ": it ends at byte ", offset + done, ", ",
           bytes - done, " bytes early; it changed while it was read");
    }
    done += static_cast<std::uint64_t>(n);
  }
}

std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  const FileReader file(path);
  if (file.size() > max_bytes) {
    fail(Errc::kIo, "cannot read ", path.string(), ": it has ", file.size(), " bytes, at most ",
         max_bytes, " are read");
  }
  std::string bytes(file.size(), '\0');
  file.read_at(0, bytes.data(), bytes.size());
  return bytes;
}

void atomic_write(const fs::path& path, const std::function<void(const WriteSink&)>& produce,
                  std::uint64_t expected_bytes) {
  TemporaryFile file(path, expected_bytes);
  file.reserve();
  produce([&](const void* data, std::size_t bytes) { file.write(data, bytes); });
  file.commit();
}

void atomic_write(const fs::path& path, std::string_view bytes) {
  atomic_write(
      path, [&](const WriteSink& sink) { sink(bytes.data(), bytes.size()); }, bytes.size());
}

AppendFile::AppendFile(const fs::path& path) : path_(path) {
  constexpr mode_t kMode = 0666;
  std::error_code ignored;  // the open itself will tell
  const bool existed = fs::exists(path, ignored);
  file_ = FileHandle(faultable(
      [&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode); }));
  if (file_.fd() == -1) fail_write("open", path_, errno, 0);
  struct stat info {};
  if (::fstat(file_.fd(), &info) == -1) fail_write("examine", path_, errno, 0);
  size_ = static_cast<std::uint64_t>(info.st_size);
  if (existed) return;
  if (const int error = sync_folder(folder_of(path_)); error != 0) {
    fail_write("flush the folder of", path_, error, 0);
  }
}

void AppendFile::append(std::string_view bytes) {
  const int error = write_all(file_.fd(), bytes.data(), bytes.size());
  if (error == 0) {
    size_ += bytes.size();
    return;
  }
  // Half a line must not stay; if even this fails, the reader drops the unterminated line.
  if (::ftruncate(file_.fd(), static_cast<off_t>(size_)) == -1) {
    fail_write("write and cut back", path_, error, bytes.size());
  }
  fail_write("append to", path_, error, bytes.size());
}

void AppendFile::sync() {
  if (faultable([&] { return ::fsync(file_.fd()); }) == -1) fail_write("flush", path_, errno, 0);
}

void AppendFile::truncate(std::uint64_t size) {
  GRAFT_CHECK(size <= size_, path_.string(), " has ", size_, " bytes, cannot be cut to ", size);
  if (faultable([&] { return ::ftruncate(file_.fd(), static_cast<off_t>(size)); }) == -1) {
    fail_write("shorten", path_, errno, 0);
  }
  size_ = size;
}

void rename_path(const fs::path& from, const fs::path& to) {
  if (faultable([&] { return ::rename(from.c_str(), to.c_str()); }) == -1) {
    fail_write("create", to, errno, 0);
  }
  if (const int error = sync_folder(folder_of(to)); error != 0) {
    fail_write("flush the folder of", to, error, 0);
  }
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail_write("create the folder", path, error.value(), 0);
}

ScopedWriteFault::ScopedWriteFault(const WriteFault& fault) { faults().set(fault); }
ScopedWriteFault::~ScopedWriteFault() { faults().clear(); }
int ScopedWriteFault::hits() { return faults().hits(); }

}  // namespace graft
