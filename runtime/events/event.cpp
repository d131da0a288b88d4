// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/event.h"

#include <array>

#include "engine/core/error.h"

namespace graft::events {
namespace {

constexpr std::array kTypes = {"new", "update", "end"};
constexpr std::array kReasons = {"negatives",   "source_lost", "source_end",
                                 "app_removed", "shutdown",    "restart"};

template <class E, std::size_t n>
E parse_enum(const std::array<const char*, n>& names, const Json& json, const char* key) {
  const auto& text = json.at(key).get_ref<const std::string&>();
  for (std::size_t i = 0; i < n; ++i) {
    if (text == names[i]) return static_cast<E>(i);
  }
  fail(Errc::kData, "unknown ", key, " '", text, "'");
}

Json to_json(const FrameTime& frame) {
  return {{"frame", frame.index}, {"pts", frame.pts_s}, {"captured_at", frame.captured_at}};
}

FrameTime parse_frame(const Json& json, const char* key) {
  const Json& frame = json.at(key);
  if (!frame.is_object()) fail(Errc::kData, key, " is not a frame");
  return {
      .index = frame.at("frame"), .pts_s = frame.at("pts"), .captured_at = frame.at("captured_at")};
}

/// Calls `read`; whatever it throws becomes one message about `source`.
template <class F>
auto reading(const std::string& source, const char* what, F&& read) {
  try {
    return read();
  } catch (const std::exception& error) {
    fail(Errc::kData, source, ": not ", what, ": ", error.what());
  }
}

EventState read_state(const Json& json) {
  EventState state{.stream = json.at("stream"),
                   .app = json.at("app"),
                   .model_sha256 = json.at("model_sha256"),
                   .first = parse_frame(json, "first"),
                   .opened = parse_frame(json, "opened"),
                   .last = parse_frame(json, "last"),
                   .at = parse_frame(json, "at"),
                   .confidence = json.at("confidence"),
                   .top_confidence = json.at("top_confidence"),
                   .positives = json.at("positives"),
                   .analysed = json.at("analysed")};
  if (state.first.index > state.opened.index || state.opened.index > state.last.index ||
      state.last.index > state.at.index) {
    fail(Errc::kData, "its frames are not in order");
  }
  return state;
}

}  // namespace

const char* name(EventType type) { return kTypes[static_cast<std::size_t>(type)]; }
const char* name(EndReason reason) { return kReasons[static_cast<std::size_t>(reason)]; }

Json to_json(const EventState& s) {
  return {{"stream", s.stream},
          {"app", s.app},
          {"model_sha256", s.model_sha256},
          {"first", to_json(s.first)},
          {"opened", to_json(s.opened)},
          {"last", to_json(s.last)},
          {"at", to_json(s.at)},
          {"confidence", s.confidence},
          {"top_confidence", s.top_confidence},
          {"positives", s.positives},
          {"analysed", s.analysed}};
}

Json to_json(const EventRecord& record) {
  Json json = {{"schema", kEventSchema},
               {"seq", record.seq},
               {"id", record.id},
               {"type", name(record.change.type)}};
  json.update(to_json(record.change.state));
  if (record.change.reason) json["reason"] = name(*record.change.reason);
  return json;
}

EventState parse_state(const Json& json, const std::string& source) {
  return reading(source, "the state of an event", [&] { return read_state(json); });
}

EventRecord parse_record(const Json& json, const std::string& source) {
  return reading(source, "an event record", [&] {
    const int schema = json.at("schema");
    if (schema > kEventSchema) {
      fail(Errc::kData, "it has schema ", schema, ", this version reads up to ", kEventSchema,
           "; use a newer graft");
    }
    EventRecord record{.seq = json.at("seq"),
                       .id = json.at("id"),
                       .change = {.type = parse_enum<EventType>(kTypes, json, "type"),
                                  .state = read_state(json),
                                  .reason = {}}};
    if (record.seq < 1) fail(Errc::kData, "seq ", record.seq, " is below 1");
    if (record.change.type == EventType::kEnd) {
      record.change.reason = parse_enum<EndReason>(kReasons, json, "reason");
    }
    return record;
  });
}

}  // namespace graft::events
