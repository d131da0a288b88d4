// SPDX-License-Identifier: Apache-2.0
// Options from text, as command lines, files and the environment give them.
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/io/json.h"

namespace graft::train {

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

/// Names of all options of a struct that walks its own fields (visit).
template <class Options>
[[nodiscard]] std::vector<std::string> option_names(Options& options) {
  std::vector<std::string> names;
  options.visit([&](const char* name, auto&, auto, const char*) { names.emplace_back(name); });
  return names;
}

/// Sets the option called `key` from text. `where` names the source for messages, e.g. "--set" or a
/// file. Throws Error(kUsage), with "did you mean", if there is none.
template <class Options>
void set_option(Options& options, const std::string& key, const std::string& text,
                const std::string& where) {
  bool found = false;
  options.visit([&](const char* name, auto& field, auto, const char*) {
    if (key != name) return;
    parse_into(where + " " + key, text, field);
    found = true;
  });
  if (!found) {
    fail(Errc::kUsage, where, ": unknown option '", key, "'",
         did_you_mean(key, option_names(options)));
  }
}

/// The flags with which a command line sets every option of a struct that walks its own fields.
template <class Options>
[[nodiscard]] std::vector<std::string> to_flags(const Options& options) {
  std::vector<std::string> out;
  // visit() is written once, for reading and writing; here it only reads.
  const_cast<Options&>(options).visit([&](const char* name, auto& field, auto, const char*) {
    using Field = std::remove_cvref_t<decltype(field)>;
    std::string flag = name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    if constexpr (std::is_same_v<Field, bool>) {
      out.push_back((field ? "--" : "--no-") + flag);
    } else {
      const Json value = field;
      const std::string text = value.is_string() ? value.template get<std::string>() : value.dump();
      // "--flag=" would take the argument behind it; what is empty is empty by default.
      if (!text.empty()) out.push_back("--" + flag + "=" + text);
    }
  });
  return out;
}

}  // namespace graft::train
