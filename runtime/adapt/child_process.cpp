// SPDX-License-Identifier: Apache-2.0
#include "runtime/adapt/child_process.h"

#include <cerrno>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/core/error.h"
#include "engine/io/file.h"

namespace graft::adapt {
namespace {

std::string reason(int error_number) { return std::generic_category().message(error_number); }

/// What runs in the child between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(const char* program, char* const* argv, int log, pid_t parent) {
  constexpr int kCannotRun = 127;
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kCannotRun);  // it died before the line above
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execv(program, argv);
  ::_exit(kCannotRun);
}

}  // namespace

ChildProcess::ChildProcess(const std::filesystem::path& program,
                           const std::vector<std::string>& arguments,
                           const std::filesystem::path& log) {
  const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd == -1) fail(Errc::kIo, "cannot open ", log.string(), ": ", reason(errno));
  const std::string name = program.string();
  std::vector<char*> argv = {const_cast<char*>(name.c_str())};  // execv does not write to them
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(name.c_str(), argv.data(), fd, parent);
  const int error_number = errno;
  ::close(fd);
  if (pid_ == -1) fail(Errc::kIo, "cannot start a process: ", reason(error_number));
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), exit_code_(other.exit_code_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(exit_code_, other.exit_code_);
  return *this;
}

ChildProcess::~ChildProcess() {
  if (pid_ == -1) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<int> ChildProcess::poll() {
  constexpr int kSignalBase = 128;
  if (pid_ == -1) return exit_code_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = -1;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : kSignalBase + WTERMSIG(status);
  return exit_code_;
}

void ChildProcess::send(int signal_number) {
  if (pid_ != -1) ::kill(pid_, signal_number);
}

std::string last_line(const std::filesystem::path& log) {
  const std::string text = read_file(log);
  const auto end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "it said nothing";
  const auto begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1,
                     end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

std::filesystem::path this_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

FolderLock::FolderLock(const std::filesystem::path& folder, std::chrono::milliseconds patience) {
  constexpr auto kPause = std::chrono::milliseconds(20);
  const std::filesystem::path path = folder / ".lock";
  // Not O_CLOEXEC: children inherit it, so that a search is not taken up while trials of a killed
  // one still write.
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT, 0644);
  if (fd_ == -1) fail(Errc::kIo, "cannot open ", path.string(), ": ", reason(errno));
  const auto until = std::chrono::steady_clock::now() + patience;
  while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() >= until) {
      ::close(fd_);
      fail(Errc::kConfig, folder.string(), " is in use by another process");
    }
    std::this_thread::sleep_for(kPause);
  }
}

FolderLock::~FolderLock() { ::close(fd_); }

}  // namespace graft::adapt
