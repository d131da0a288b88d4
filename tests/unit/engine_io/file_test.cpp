// SPDX-License-Identifier: Apache-2.0
#include "engine/io/file.h"

#include <cerrno>
#include <iterator>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/io/records.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft {
namespace {

using testing::fails_with;
using testing::TempFolder;

std::ptrdiff_t files_in(const TempFolder& folder) {
  return std::distance(std::filesystem::directory_iterator(folder.path()), {});
}

TEST(AtomicWrite, ReplacesTheWholeFile) {
  const TempFolder folder;
  atomic_write(folder / "a", "a longer first version");
  atomic_write(folder / "a", "second");
  EXPECT_EQ(read_file(folder / "a"), "second");
  EXPECT_EQ(files_in(folder), 1);
}

TEST(AtomicWrite, OverwritesWhatACrashLeft) {
  const TempFolder folder;
  AppendFile(folder / "a.tmp").append("garbage of a killed process, longer than the new file");
  atomic_write(folder / "a", "new");
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_EQ(files_in(folder), 1);
}

TEST(AtomicWrite, DiskFullKeepsTheOldFileAndSaysTheBytes) {
  const TempFolder folder;
  atomic_write(folder / "a", "old");
  for (const int error : {ENOSPC, EIO}) {
    const ScopedWriteFault fault({.after_bytes = 7, .error_number = error});
    EXPECT_TRUE(fails_with(Errc::kIo, {(folder / "a").string(), "needed 1000 bytes", "bytes free"},
                           [&] { atomic_write(folder / "a", std::string(1000, 'x')); }));
    EXPECT_EQ(fault.hits(), 1);
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(files_in(folder), 1);
  atomic_write(folder / "a", "goes on");
  EXPECT_EQ(read_file(folder / "a"), "goes on");
}

/// Fails the k-th call for every k until one run gets through.
TEST(AtomicWrite, FailureAtAnyCallLeavesOldOrNew) {
  const TempFolder folder;
  int failures = 0;
  for (int k = 0;; ++k) {
    atomic_write(folder / "a", "old");
    const ScopedWriteFault fault({.after_calls = k, .error_number = EIO});
    try {
      atomic_write(folder / "a", "new");
      EXPECT_EQ(fault.hits(), 0);
      break;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::kIo);
      ++failures;
    }
    const std::string now = read_file(folder / "a");
    EXPECT_TRUE(now == "old" || now == "new") << k << ": " << now;
    EXPECT_EQ(files_in(folder), 1) << k;
  }
  EXPECT_GE(failures, 6);  // open, write, fsync, rename, open folder, fsync folder
}

TEST(AtomicWrite, InterruptedCallsAreRepeated) {
  const TempFolder folder;
  for (int k = 0; k < 6; ++k) {
    const ScopedWriteFault fault({.after_calls = k, .error_number = EINTR, .once = true});
    atomic_write(folder / "a", "text " + std::to_string(k));
    EXPECT_EQ(fault.hits(), 1) << k;
    EXPECT_EQ(read_file(folder / "a"), "text " + std::to_string(k));
  }
}

TEST(AtomicWrite, MissingFolderIsNamed) {
  const TempFolder folder;
  EXPECT_TRUE(fails_with(Errc::kIo, {"no/a.tmp", "No such file"},
                         [&] { atomic_write(folder / "no/a", "x"); }));
}

TEST(AtomicWrite, ThrowingProducerLeavesNothing) {
  const TempFolder folder;
  EXPECT_THROW(atomic_write(folder / "a",
                            [](const WriteSink& sink) {
                              sink("half", 4);
                              fail(Errc::kInternal, "producer");
                            }),
               Error);
  EXPECT_EQ(files_in(folder), 0);
}

TEST(AppendFile, AppendsWholeOrNotAtAll) {
  const TempFolder folder;
  AppendFile file(folder / "log");
  file.append("one\n");
  for (int bytes = 0; bytes < 4; ++bytes) {
    const ScopedWriteFault fault({.after_bytes = bytes, .error_number = ENOSPC});
    EXPECT_TRUE(fails_with(Errc::kIo, {"log", "No space left"}, [&] { file.append("two\n"); }));
    EXPECT_EQ(read_file(folder / "log"), "one\n");
  }
  file.append("two\n");
  EXPECT_EQ(read_file(folder / "log"), "one\ntwo\n");
  EXPECT_EQ(file.size(), 8u);
}

TEST(AppendFile, CutsBackAndGoesOn) {
  const TempFolder folder;
  AppendFile file(folder / "log");
  file.append("one\ntwo\n");
  file.truncate(4);
  file.append("three\n");
  EXPECT_EQ(read_file(folder / "log"), "one\nthree\n");
  EXPECT_TRUE(fails_with(Errc::kInvalidArgument, {"cannot be cut"}, [&] { file.truncate(100); }));
}

TEST(ReadFile, RefusesWhatIsNotARegularFile) {
  const TempFolder folder;
  EXPECT_TRUE(
      fails_with(Errc::kIo, {"no", "No such file"}, [&] { (void)read_file(folder / "no"); }));
  EXPECT_TRUE(
      fails_with(Errc::kIo, {"not a regular file"}, [&] { (void)read_file(folder.path()); }));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_TRUE(
      fails_with(Errc::kIo, {"not a regular file"}, [&] { (void)read_file(folder / "pipe"); }));
  atomic_write(folder / "big", std::string(100, 'x'));
  EXPECT_TRUE(fails_with(Errc::kIo, {"100 bytes", "at most 99"},
                         [&] { (void)read_file(folder / "big", 99); }));
}

}  // namespace
}  // namespace graft
