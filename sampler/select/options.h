// SPDX-License-Identifier: Apache-2.0
// Reads a policy's options from JSON and writes them back, through one visit() per option struct.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/io/json.h"
#include "sampler/score/loss_history.h"
#include "sampler/score/priority.h"
#include "sampler/select/train_queue.h"

namespace graft {

template <class E>
inline constexpr std::array<E, 0> kAllOf{};
template <>
inline constexpr std::array kAllOf<Ties> = {Ties::kStrict, Ties::kMid, Ties::kWeak};
template <>
inline constexpr std::array kAllOf<QueueMode> = {QueueMode::kDrainAll, QueueMode::kOneStepPerSlice,
                                                 QueueMode::kFlushSlice};
template <>
inline constexpr std::array kAllOf<EpochEnd> = {EpochEnd::kFlush, EpochEnd::kCarry,
                                                EpochEnd::kDiscard, EpochEnd::kAuthors};

/// Visitor that takes each option from a JSON object where it is given. Numbers and truth values
/// may also be text, as a command line gives them. Throws Error(kUsage) that names the option, its
/// value and what is expected.
class OptionReader {
 public:
  /// json: an object, or null for none; it must outlive the reader.
  OptionReader(std::string_view owner, const Json& json);

  void operator()(std::string_view key, double& value);
  void operator()(std::string_view key, std::int64_t& value);
  void operator()(std::string_view key, bool& value);
  void operator()(std::string_view key, std::string& value);
  /// Priority::parse() of the text; the number "beta" is short for "power:beta".
  void operator()(std::string_view key, Priority& value);
  template <class E>
  requires std::is_enum_v<E>
  void operator()(std::string_view key, E& value) {
    std::string text(name(value));
    (*this)(key, text);
    std::vector<std::string> known;
    for (const E candidate : kAllOf<E>) {
      if (name(candidate) == text) {
        value = candidate;
        return;
      }
      known.emplace_back(name(candidate));
    }
    fail(Errc::kUsage, owner_, ": option ", key, " expects one of ", join(known, ", "), ", got '",
         text, "'", did_you_mean(text, known));
  }

  /// Throws for an option that nothing asked for.
  void reject_unknown() const;

 private:
  const Json* find(std::string_view key);
  [[noreturn]] void wrong_type(std::string_view key, std::string_view expected) const;

  std::string owner_;
  const Json& json_;
  std::vector<std::string> known_;
};

/// Visitor that writes each option to a JSON object.
class OptionWriter {
 public:
  explicit OptionWriter(Json& json) : json_(json) {}

  template <class T>
  void operator()(std::string_view key, const T& value) {
    if constexpr (std::is_enum_v<T>)
      json_[std::string(key)] = std::string(name(value));
    else
      json_[std::string(key)] = value;
  }
  void operator()(std::string_view key, const Priority& value) {
    if (value.kind() == Priority::Kind::kPower)
      json_["beta"] = value.x().front();
    else
      json_[std::string(key)] = value.text();
  }

 private:
  Json& json_;
};

/// Name and options, as Sampler::describe() returns them.
template <class Options>
[[nodiscard]] Json describe_options(std::string_view name, Options options) {
  Json out = {{"name", name}};
  options.visit(OptionWriter(out));
  return out;
}

}  // namespace graft
