// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace graft::adapt {

/// A process started by this one. It has a process group of its own, so that a terminal's ^C does
/// not reach it, and is killed when the thread that started it ends, however that ends.
class ChildProcess {
 public:
  /// Standard output and error are appended to the file `log`. Throws Error(kIo).
  ChildProcess(const std::filesystem::path& program, const std::vector<std::string>& arguments,
               const std::filesystem::path& log);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  /// Kills it if it still runs.
  ~ChildProcess();

  /// Its exit code once it has ended, 128 + the signal if one ended it; nothing while it runs.
  [[nodiscard]] std::optional<int> poll();
  /// Sends a signal, e.g. SIGINT; nothing happens if it has ended.
  void send(int signal_number);

 private:
  pid_t pid_ = -1;  // -1: moved from or reaped
  std::optional<int> exit_code_;
};

/// The last line of a child's log, which says why it failed.
[[nodiscard]] std::string last_line(const std::filesystem::path& log);

/// The binary of this process.
[[nodiscard]] std::filesystem::path this_program();

/// Keeps a folder for one process and its children: held as long as any of them lives.
class FolderLock {
 public:
  /// Waits up to `patience` for the children of a killed process to go. Throws Error(kConfig) if
  /// another process holds the folder.
  explicit FolderLock(const std::filesystem::path& folder,
                      std::chrono::milliseconds patience = std::chrono::seconds(5));
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int fd_;
};

}  // namespace graft::adapt
