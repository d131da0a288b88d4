// SPDX-License-Identifier: Apache-2.0
#include "runtime/adapt/child_process.h"

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft::adapt {
namespace {

using testing::fails_with;
using testing::TempFolder;

int wait_for(ChildProcess& child) {
  while (true) {
    if (const auto code = child.poll()) return *code;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

ChildProcess shell(const std::string& script, const TempFolder& folder) {
  return ChildProcess("/bin/sh", {"-c", script}, folder / "log");
}

TEST(ChildProcess, ReportsExitCodeAndOutput) {
  const TempFolder folder;
  ChildProcess child = shell("echo out; echo err >&2; exit 4", folder);
  EXPECT_EQ(wait_for(child), 4);
  EXPECT_EQ(child.poll(), 4) << "also when asked again";
  EXPECT_EQ(read_file(folder / "log"), "out\nerr\n");
  ChildProcess missing("/no/such/program", {}, folder / "log");
  EXPECT_EQ(wait_for(missing), 127);
  EXPECT_TRUE(
      fails_with(Errc::kIo, {"/no/such/log"}, [] { ChildProcess("/bin/sh", {}, "/no/such/log"); }));
}

TEST(ChildProcess, GetsSignalsAndDiesWithItsOwner) {
  const TempFolder folder;
  ChildProcess child =
      shell("trap 'exit 10' INT; echo ready; while :; do sleep 0.01; done", folder);
  while (read_file(folder / "log") != "ready\n") {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(child.poll(), std::nullopt);
  child.send(SIGINT);
  EXPECT_EQ(wait_for(child), 10);

  ChildProcess killed = shell("exec sleep 100", folder);
  killed.send(SIGKILL);
  EXPECT_EQ(wait_for(killed), 128 + SIGKILL);
  { const ChildProcess dropped = shell("exec sleep 100", folder); }  // or this test hangs
}

TEST(FolderLock, IsHeldOnce) {
  const TempFolder folder;
  {
    const FolderLock lock(folder.path());
    EXPECT_TRUE(fails_with(Errc::kConfig, {folder.path().string(), "in use"}, [&] {
      FolderLock second(folder.path(), std::chrono::milliseconds(50));
    }));
  }
  const FolderLock again(folder.path());
}

}  // namespace
}  // namespace graft::adapt
