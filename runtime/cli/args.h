// SPDX-License-Identifier: Apache-2.0
// Options declared once, by a struct that walks its own fields (visit), become command-line flags,
// config-file keys and environment variables.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "runtime/train/option_text.h"

namespace graft::cli {

/// "lr_policy" -> "--lr-policy".
[[nodiscard]] std::string flag_of(std::string_view option);

using train::set_option;

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
