// SPDX-License-Identifier: Apache-2.0
// Reads fields of a JSON document that was written by somebody else; every refusal names the field.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/json.h"

namespace graft {

/// A place in a document, which must outlive it. All members throw Error(kModel) whose message
/// starts with the source and the path, e.g. "apps.json: apps[2].candidates[0].accuracy".
class JsonField {
 public:
  JsonField(const Json& json, std::string source) : JsonField(json, std::move(source), "") {}

  /// Member of an object, which must be there.
  [[nodiscard]] JsonField at(const char* key) const;
  /// Member of an object, or nothing if it is absent or null.
  [[nodiscard]] std::optional<JsonField> find(const char* key) const;
  /// Elements of an array of at most `limit`.
  [[nodiscard]] std::vector<JsonField> elements(std::size_t limit) const;
  /// A finite number in [low, high].
  [[nodiscard]] double number(double low = -std::numeric_limits<double>::max(),
                              double high = std::numeric_limits<double>::max()) const;
  /// A finite number in (0, high].
  [[nodiscard]] double positive(double high) const;
  /// A whole number in [low, high].
  [[nodiscard]] int integer(int low, int high) const;
  [[nodiscard]] bool flag() const;
  /// A string of at most 512 bytes.
  [[nodiscard]] std::string text() const;
  [[noreturn]] void reject(const std::string& why) const;

 private:
  JsonField(const Json& json, std::string source, std::string path)
      : json_(&json), source_(std::move(source)), path_(std::move(path)) {}

  const Json* json_;
  std::string source_, path_;
};

}  // namespace graft
