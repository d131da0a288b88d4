// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/listen_address.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft::run {
namespace {

using testing::fails_with;

TEST(ListenAddress, Forms) {
  EXPECT_EQ(parse_listen_address("127.0.0.1:8080").text(), "127.0.0.1:8080");
  EXPECT_EQ(parse_listen_address("8080").text(), "127.0.0.1:8080");
  EXPECT_EQ(parse_listen_address("[::1]:80").text(), "[::1]:80");
  EXPECT_EQ(parse_listen_address("cam.local:0").host, "cam.local");
  for (const char* text :
       {"", "x", "1.2.3.4", "1.2.3.4:", "1.2.3.4:99999", ":80", "::1:80", "1.2.3.4:-1"}) {
    EXPECT_TRUE(fails_with(Errc::kUsage, {"'"}, [&] { (void)parse_listen_address(text); })) << text;
  }
}

TEST(ListenAddress, WhoReachesIt) {
  for (const char* text : {"127.0.0.1:1", "127.8.9.1:1", "localhost:1", "[::1]:1"}) {
    EXPECT_TRUE(parse_listen_address(text).loopback()) << text;
  }
  for (const char* text : {"0.0.0.0:1", "192.168.1.2:1", "[::]:1", "box:1", "128.0.0.1:1"}) {
    EXPECT_FALSE(parse_listen_address(text).loopback()) << text;
  }
}

TEST(Token, FromAFileOrTheEnvironment) {
  const testing::TempFolder folder;
  ::unsetenv("GRAFT_TOKEN");
  EXPECT_EQ(read_token(""), "");
  ::setenv("GRAFT_TOKEN", "0123456789abcdef", 1);
  EXPECT_EQ(read_token(""), "0123456789abcdef");
  atomic_write(folder / "token", "fedcba9876543210\n");
  EXPECT_EQ(read_token((folder / "token").string()), "fedcba9876543210");
  atomic_write(folder / "short", "abc\n");
  EXPECT_TRUE(fails_with(Errc::kConfig, {"16 characters"},
                         [&] { (void)read_token((folder / "short").string()); }));
  EXPECT_TRUE(
      fails_with(Errc::kIo, {"none"}, [&] { (void)read_token((folder / "none").string()); }));
  ::unsetenv("GRAFT_TOKEN");
}

}  // namespace
}  // namespace graft::run
