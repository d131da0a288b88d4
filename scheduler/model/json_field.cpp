// SPDX-License-Identifier: Apache-2.0
#include "scheduler/model/json_field.h"

#include <cmath>

#include "engine/core/error.h"

namespace graft {
namespace {

constexpr std::size_t kMaxTextBytes = 512;

}  // namespace

void JsonField::reject(const std::string& why) const {
  fail(Errc::kModel, source_, ": ", path_.empty() ? "the document" : path_, " ", why);
}

std::optional<JsonField> JsonField::find(const char* key) const {
  if (!json_->is_object()) reject(detail::cat("must be an object, it is ", json_->type_name()));
  const auto at = json_->find(key);
  if (at == json_->end() || at->is_null()) return std::nullopt;
  return JsonField(*at, source_, path_.empty() ? key : path_ + "." + key);
}

JsonField JsonField::at(const char* key) const {
  if (auto field = find(key)) return *field;
  fail(Errc::kModel, source_, ": ", path_.empty() ? "" : path_ + ".", key, " is missing");
}

std::vector<JsonField> JsonField::elements(std::size_t limit) const {
  if (!json_->is_array()) reject(detail::cat("must be an array, it is ", json_->type_name()));
  if (json_->size() > limit) {
    reject(detail::cat("has ", json_->size(), " entries; at most ", limit, " are read"));
  }
  std::vector<JsonField> out;
  for (std::size_t i = 0; i < json_->size(); ++i) {
    out.push_back(JsonField((*json_)[i], source_, detail::cat(path_, "[", i, "]")));
  }
  return out;
}

double JsonField::number(double low, double high) const {
  if (!json_->is_number()) reject(detail::cat("must be a number, it is ", json_->type_name()));
  const double value = json_->get<double>();
  if (!std::isfinite(value)) reject("must be a finite number");
  if (value < low || value > high) {
    const std::string top =
        high == std::numeric_limits<double>::max() ? "" : detail::cat(" and at most ", high);
    reject(detail::cat("must be at least ", low, top, ", it is ", json_->dump()));
  }
  return value;
}

double JsonField::positive(double high) const {
  const double value = number(0, high);
  if (value == 0) reject("must be above 0");
  return value;
}

int JsonField::integer(int low, int high) const {
  const double value = number(low, high);
  if (value != std::floor(value)) {
    reject(detail::cat("must be a whole number, it is ", json_->dump()));
  }
  return static_cast<int>(value);
}

bool JsonField::flag() const {
  if (!json_->is_boolean())
    reject(detail::cat("must be true or false, it is ", json_->type_name()));
  return json_->get<bool>();
}

std::string JsonField::text() const {
  if (!json_->is_string()) reject(detail::cat("must be a string, it is ", json_->type_name()));
  const auto& value = json_->get_ref<const std::string&>();
  if (value.size() > kMaxTextBytes) {
    reject(detail::cat("has ", value.size(), " bytes; at most ", kMaxTextBytes, " are read"));
  }
  return value;
}

}  // namespace graft
