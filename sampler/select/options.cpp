// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/options.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/core/text.h"

namespace graft {

OptionReader::OptionReader(std::string_view owner, const Json& json) : owner_(owner), json_(json) {
  if (!json.is_object() && !json.is_null()) {
    fail(Errc::kUsage, owner_, ": options must be a table of key and value, got ", json.dump());
  }
}

const Json* OptionReader::find(std::string_view key) {
  known_.emplace_back(key);
  const auto found = json_.find(known_.back());
  return found == json_.end() ? nullptr : &*found;
}

void OptionReader::wrong_type(std::string_view key, std::string_view expected) const {
  fail(Errc::kUsage, owner_, ": option ", key, " expects ", expected, ", got ",
       json_.at(std::string(key)).dump());
}

void OptionReader::operator()(std::string_view key, double& value) {
  const Json* given = find(key);
  if (given == nullptr) return;
  std::optional<double> read;
  if (given->is_number()) read = given->get<double>();
  if (given->is_string()) read = parse_double(given->get_ref<const std::string&>());
  if (!read) wrong_type(key, "a number");
  value = *read;
}

void OptionReader::operator()(std::string_view key, std::int64_t& value) {
  const Json* given = find(key);
  if (given == nullptr) return;
  std::optional<std::int64_t> read;
  if (given->is_number_integer()) read = given->get<std::int64_t>();
  if (given->is_number_float() && std::nearbyint(given->get<double>()) == given->get<double>()) {
    read = static_cast<std::int64_t>(given->get<double>());
  }
  if (given->is_string()) read = parse_int(given->get_ref<const std::string&>());
  if (!read) wrong_type(key, "a whole number");
  value = *read;
}

void OptionReader::operator()(std::string_view key, bool& value) {
  const Json* given = find(key);
  if (given == nullptr) return;
  if (*given != true && *given != false && *given != "true" && *given != "false") {
    wrong_type(key, "true or false");
  }
  value = *given == true || *given == "true";
}

void OptionReader::operator()(std::string_view key, std::string& value) {
  const Json* given = find(key);
  if (given == nullptr) return;
  if (!given->is_string()) wrong_type(key, "text");
  value = given->get<std::string>();
}

void OptionReader::operator()(std::string_view key, Priority& value) {
  std::string text;
  double beta = -1;
  (*this)(key, text);
  (*this)("beta", beta);
  const bool has_text = json_.contains(key), has_beta = json_.contains("beta");
  if (has_text && has_beta) {
    fail(Errc::kUsage, owner_, ": beta and ", key, " exclude each other, got ", beta, " and '",
         text, "'; beta is short for ", key, " power:beta");
  }
  if (has_text) value = Priority::parse(text);
  if (has_beta) value = Priority::power(beta);
}

void OptionReader::reject_unknown() const {
  for (const auto& [key, value] : json_.items()) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    fail(Errc::kUsage, owner_, ": unknown option '", key, "', it takes ",
         known_.empty() ? "none" : join(known_, ", "), did_you_mean(key, known_));
  }
}

}  // namespace graft
