// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace graft::run {

/// Where a runner answers, as --listen and `graft ctl` take it.
struct ListenAddress {
  std::string host = "127.0.0.1";
  int port = 0;  ///< 0: any free one, to listen on

  /// Only this machine reaches it.
  [[nodiscard]] bool loopback() const;
  /// "127.0.0.1:8080", "[::1]:8080".
  [[nodiscard]] std::string text() const;
};

/// Reads HOST:PORT, [IPV6]:PORT or PORT. Throws Error(kUsage).
[[nodiscard]] ListenAddress parse_listen_address(std::string_view text);

/// The bearer token in the file, or in the environment's GRAFT_TOKEN if no file is named; empty if
/// there is none. Throws Error(kIo), Error(kConfig) for one of fewer than 16 characters.
[[nodiscard]] std::string read_token(const std::string& file);

}  // namespace graft::run
