// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/option_text.h"

namespace graft::train {

void parse_into(const std::string&, const std::string& text, std::string& field) { field = text; }

void parse_into(const std::string& option, const std::string& text, bool& field) {
  if (text == "true" || text == "1" || text == "yes") {
    field = true;
  } else if (text == "false" || text == "0" || text == "no") {
    field = false;
  } else {
    fail(Errc::kUsage, option, ": expects true or false, got '", text, "'");
  }
}

void parse_into(const std::string& option, const std::string& text, double& field) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, field);
  if (error != std::errc() || at != end) {
    fail(Errc::kUsage, option, ": expects a number, got '", text, "'");
  }
}

void parse_into(const std::string& option, const std::string& text, std::optional<double>& field) {
  parse_into(option, text, field.emplace());
}

}  // namespace graft::train
