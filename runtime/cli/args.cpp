// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/args.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include <toml++/toml.h>

#include "engine/core/error.h"

namespace graft::cli {
namespace {

void flatten(const std::string& prefix, const toml::table& table,
             std::vector<std::pair<std::string, std::string>>& out) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const auto* inner = node.as_table()) {
      flatten(name + ".", *inner, out);
    } else if (const auto* text = node.as_string()) {
      out.emplace_back(name, text->get());
    } else {
      std::ostringstream value;
      node.visit([&value](const auto& v) { value << v; });
      out.emplace_back(name, value.str());
    }
  }
}

}  // namespace

std::string flag_of(std::string_view option) {
  std::string flag = "--" + std::string(option);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string environment_name(std::string_view option) {
  std::string name = "GRAFT_" + std::string(option);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

std::optional<std::string> environment(const std::string& name) {
  const char* value =
      std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): before any thread
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::vector<std::pair<std::string, std::string>> read_toml(const std::string& path) {
  std::vector<std::pair<std::string, std::string>> out;
  try {
    flatten("", toml::parse_file(path), out);
  } catch (const toml::parse_error& e) {
    const auto& at = e.source().begin;
    fail(Errc::kConfig, path, ":", at.line, ":", at.column, ": ", e.description());
  }
  return out;
}

}  // namespace graft::cli
