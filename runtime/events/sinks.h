// SPDX-License-Identifier: Apache-2.0
// The sinks there are; make_sink() (sink.h) chooses one by its address. Private to runtime/events.
#pragma once

#include <memory>
#include <string>

#include "runtime/events/sink.h"

namespace graft::events {

/// One JSON line a record on standard output.
[[nodiscard]] std::unique_ptr<EventSink> make_stdout_sink();

struct WebhookOptions {
  std::string origin;      ///< "http://host:port"
  std::string path = "/";  ///< of the POST
  Secret token;
};

/// Posts each record as one JSON object. 2xx is delivery; 400, 413 and 422 mean that the receiver
/// refuses this very record: an error in the log, and on to the next. Anything else is tried again.
[[nodiscard]] std::unique_ptr<EventSink> make_webhook_sink(const WebhookOptions& options);

struct MqttOptions {
  std::string host;
  int port = 1883;
  std::string prefix = "graft";
  Secret user, password;
};

/// Publishes as Frigate does (https://docs.frigate.video/integrations/mqtt), QoS 1:
///   PREFIX/available                    retained: online, stopped (close()), offline (last will)
///   PREFIX/events                       {"type", "before", "after"}
///   PREFIX/STREAM/classification/APP    retained: on, off
///   PREFIX/stats                        what set_stats() was given, QoS 0
/// A record counts as delivered when the broker has acknowledged it. Where "/", "+" or "#" stand in
/// a stream's or application's name, the topic has "_". Throws Error(kUnavailable) if MQTT is not
/// built.
[[nodiscard]] std::unique_ptr<EventSink> make_mqtt_sink(const MqttOptions& options);

}  // namespace graft::events
