// SPDX-License-Identifier: Apache-2.0
// Where events go. A sink never sees the detector: it is handed what the journal already has.
#pragma once

#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "engine/io/json.h"
#include "runtime/events/event.h"

namespace graft::events {

/// A receiver of event records. All calls come from one thread, that of its Publisher, but where it
/// says thread-safe.
class EventSink {
 public:
  virtual ~EventSink() = default;
  /// For messages, metrics and the cursor's file name; no credentials in it. Thread-safe.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Returns true when the receiver has the record, false if it cannot take it now: it is offered
  /// again later. `before` is the event as its last record said, equal to the new state for kNew.
  /// A record may come twice, with equal id and seq.
  virtual bool deliver(const EventRecord& record, const EventState& before) = 0;
  /// Called while there is nothing to deliver: keeps connections alive for `time`, then returns.
  virtual void idle(std::chrono::milliseconds time);
  /// Numbers of the runner for receivers that show them (MQTT: PREFIX/stats). Only the latest is
  /// kept; it is sent when there is time. Thread-safe.
  virtual void set_stats(const Json& stats);
  /// Says goodbye at an orderly end.
  virtual void close() {}
};

/// A user name, password or token. Prints as "***".
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  [[nodiscard]] bool empty() const { return text_.empty(); }
  /// The text itself: for the receiver only.
  [[nodiscard]] const std::string& reveal() const { return text_; }
  friend std::ostream& operator<<(std::ostream& out, const Secret&) { return out << "***"; }

 private:
  std::string text_;
};

/// What sinks log in with. The command line reads it from the environment or from files
/// (runtime/cli/sink_credentials.h), never from an argument.
struct SinkCredentials {
  Secret mqtt_user{}, mqtt_password{};
  Secret webhook_token{};  ///< sent as "Authorization: Bearer ..."
};

/// A sink by its address:
///   stdout                        one JSON line a record
///   mqtt://HOST[:1883][/PREFIX]   Frigate's topics below PREFIX ("graft"), QoS 1
///   http[s]://HOST[:PORT][/PATH]  POST of one JSON record
/// Throws Error(kUsage) for another address or one with a user or password in it,
/// Error(kUnavailable) for mqtt where it is not built (GRAFT_MQTT).
[[nodiscard]] std::unique_ptr<EventSink> make_sink(const std::string& address,
                                                   const SinkCredentials& credentials);

}  // namespace graft::events
