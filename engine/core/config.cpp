// SPDX-License-Identifier: Apache-2.0
#include "engine/core/config.h"

#include <cstdlib>

namespace graft {
namespace {

std::string env(const char* key) {
  const char* value = std::getenv(key);  // NOLINT(concurrency-mt-unsafe): read once, at start
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

std::string_view EnvConfig::forced(std::string_view op) const {
  std::string_view rest = forced_impl;
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(item.size() == rest.size() ? rest.size() : item.size() + 1);
    const auto colon = item.find(':');
    if (colon != std::string_view::npos && item.substr(0, colon) == op)
      return item.substr(colon + 1);
  }
  return {};
}

const EnvConfig& env_config() {
  static const EnvConfig config = [] {
    EnvConfig c;
    c.verbose_dispatch = env("GRAFT_VERBOSE").find("dispatch") != std::string::npos;
    c.sync = env("GRAFT_SYNC") == "1";
    c.forced_impl = env("GRAFT_IMPL");
    return c;
  }();
  return config;
}

}  // namespace graft
