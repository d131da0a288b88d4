// SPDX-License-Identifier: Apache-2.0
#include "engine/io/json.h"

#include <string>
#include <unordered_set>
#include <vector>

namespace graft {
namespace {

/// Checks the limits while the parser runs, so that a hostile document stops early.
class LimitGuard {
 public:
  LimitGuard(std::string_view source, Errc code, const JsonLimits& limits)
      : source_(source), code_(code), limits_(limits) {}

  void on_event(Json::parse_event_t event, const Json& value) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      add_element();
      open_.push_back({.array = event == Event::array_start, .name = last_key_});
      if (open_.size() > limits_.max_depth) {
        fail(code_, source_, ": JSON nested deeper than ", limits_.max_depth, " levels");
      }
    } else if (event == Event::object_end || event == Event::array_end) {
      open_.pop_back();
    } else if (event == Event::key) {
      add_key(value.get_ref<const std::string&>());
    } else {
      add_element();
    }
  }

  /// For messages: where the parser was, as far as keys tell.
  [[nodiscard]] std::string after_key() const {
    return last_key_.empty() ? "" : " after key \"" + last_key_ + "\"";
  }

 private:
  /// An object or array that has not ended.
  struct Open {
    bool array = false;
    std::string name{};  ///< the last key before it
    std::size_t elements = 0;
    std::unordered_set<std::string> keys{};
  };

  void add_element() {
    if (open_.empty() || !open_.back().array) return;
    if (++open_.back().elements > limits_.max_elements) {
      fail(code_, source_, ": JSON array \"", open_.back().name, "\" with more than ",
           limits_.max_elements, " elements");
    }
  }

  void add_key(const std::string& key) {
    if (!open_.back().keys.insert(key).second) {
      fail(code_, source_, ": JSON key \"", key, "\" occurs twice in one object");
    }
    if (open_.back().keys.size() > limits_.max_members) {
      fail(code_, source_, ": JSON object with more than ", limits_.max_members, " members");
    }
    last_key_ = key;
  }

  std::string_view source_;
  Errc code_;
  const JsonLimits& limits_;
  std::vector<Open> open_;
  std::string last_key_;
};

}  // namespace

Json parse_json(std::string_view text, std::string_view source, Errc code,
                const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    fail(code, source, ": JSON of ", text.size(), " bytes; at most ", limits.max_bytes,
         " are read");
  }
  LimitGuard guard(source, code, limits);
  try {
    return Json::parse(text.begin(), text.end(), [&](int, Json::parse_event_t event, Json& value) {
      guard.on_event(event, value);
      return true;
    });
  } catch (const Json::parse_error& e) {
    fail(code, source, ": not valid JSON at byte ", e.byte, " of ", text.size(), guard.after_key(),
         ": ", e.what());
  } catch (const Json::exception& e) {  // a number beyond the range of a double
    fail(code, source, ": not usable JSON", guard.after_key(), ": ", e.what());
  }
}

}  // namespace graft
