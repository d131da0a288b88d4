// SPDX-License-Identifier: Apache-2.0
// Options declared once, by a struct that walks its own fields (visit), become command-line flags,
// config-file keys and environment variables.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "engine/core/error.h"
#include "engine/core/text.h"

namespace graft::cli {

/// "lr_policy" -> "--lr-policy".
[[nodiscard]] std::string flag_of(std::string_view option);

/// Reads `text` into `field`; throws Error(kUsage) naming `option` and what it expects.
void parse_into(const std::string& option, const std::string& text, std::string& field);
void parse_into(const std::string& option, const std::string& text, bool& field);
void parse_into(const std::string& option, const std::string& text, double& field);
void parse_into(const std::string& option, const std::string& text, std::optional<double>& field);

template <class Integer>
requires std::is_integral_v<Integer>
void parse_into(const std::string& option, const std::string& text, Integer& field) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, field);
  if (error != std::errc() || at != end) {
    fail(Errc::kUsage, option, ": expects a whole number, got '", text, "'");
  }
}

/// Sets the option called `key` from text. `where` names the source for messages, e.g. "--set" or a
/// file. Throws Error(kUsage), with "did you mean", if there is none.
template <class Options>
void set_option(Options& options, const std::string& key, const std::string& text,
                const std::string& where) {
  bool found = false;
  std::vector<std::string> names;
  options.visit([&](const char* name, auto& field, auto, const char*) {
    names.emplace_back(name);
    if (key != name) return;
    parse_into(where + " " + key, text, field);
    found = true;
  });
  if (!found) {
    fail(Errc::kUsage, where, ": unknown option '", key, "'", did_you_mean(key, names));
  }
}

/// Adds one flag an option to `app`; booleans get --x and --no-x. Values land in `options`;
/// of a flag given twice, the last counts.
template <class Options>
void add_flags(CLI::App& app, Options& options) {
  options.visit([&](const char* name, auto& field, auto, const char* help) {
    using Field = std::remove_reference_t<decltype(field)>;
    const std::string flag = flag_of(name);
    if constexpr (std::is_same_v<Field, bool>) {
      app.add_flag(flag + ",!--no-" + flag.substr(2), field, help);
    } else if constexpr (std::is_same_v<Field, std::optional<double>>) {
      app.add_option(flag, field, help)->take_last();
    } else {
      app.add_option(flag, field, help)->take_last()->capture_default_str();
    }
  });
}

/// Key-value pairs of a TOML file, tables flattened to "a.b". Throws Error(kConfig) with file, line
/// and column.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> read_toml(const std::string& path);

/// Environment variables GRAFT_<OPTION> that are set, as (option, value).
template <class Options>
[[nodiscard]] std::vector<std::pair<std::string, std::string>> from_environment(Options& options);

/// Value of an environment variable, or nothing.
[[nodiscard]] std::optional<std::string> environment(const std::string& name);

/// "lr" -> "GRAFT_LR".
[[nodiscard]] std::string environment_name(std::string_view option);

template <class Options>
std::vector<std::pair<std::string, std::string>> from_environment(Options& options) {
  std::vector<std::pair<std::string, std::string>> found;
  options.visit([&](const char* name, auto&, auto, const char*) {
    if (auto value = environment(environment_name(name))) found.emplace_back(name, *value);
  });
  return found;
}

}  // namespace graft::cli
