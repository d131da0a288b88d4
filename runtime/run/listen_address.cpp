// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/listen_address.h"

#include <cstdlib>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/io/file.h"

namespace graft::run {

bool ListenAddress::loopback() const {
  if (host == "localhost") return true;
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string ListenAddress::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

ListenAddress parse_listen_address(std::string_view text) {
  constexpr int kMostPort = 65535;
  ListenAddress out;
  const auto colon = text.rfind(':');
  std::string_view host = colon == text.npos ? "" : text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != host.npos) {
    fail(Errc::kUsage, "'", text, "': an IPv6 address stands in brackets, as [::1]:8080");
  }
  const auto port = parse_int(colon == text.npos ? text : text.substr(colon + 1));
  if (!port || *port < 0 || *port > kMostPort || (colon != text.npos && host.empty())) {
    fail(Errc::kUsage, "'", text, "' is no address; write HOST:PORT, as 127.0.0.1:8080");
  }
  if (!host.empty()) out.host = host;
  out.port = static_cast<int>(*port);
  return out;
}

std::string read_token(const std::string& file) {
  constexpr std::uint64_t kMaxBytes = 4096;
  constexpr std::size_t kLeastCharacters = 16;
  std::string token;
  if (!file.empty()) {
    token = read_file(file, kMaxBytes);
  } else if (const char* value = std::getenv("GRAFT_TOKEN")) {  // NOLINT(concurrency-mt-unsafe)
    token = value;
  } else {
    return "";
  }
  token.erase(token.find_last_not_of(" \r\n") + 1);
  if (token.size() < kLeastCharacters) {
    fail(Errc::kConfig, file.empty() ? "GRAFT_TOKEN" : file, ": a token has at least ",
         kLeastCharacters, " characters");
  }
  return token;
}

}  // namespace graft::run
