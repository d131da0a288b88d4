// SPDX-License-Identifier: Apache-2.0
// Stands in for mqtt_sink.cpp in a build without libmosquitto.
#include "engine/core/error.h"
#include "runtime/events/sinks.h"

namespace graft::events {

std::unique_ptr<EventSink> make_mqtt_sink(const MqttOptions&) {
  fail(Errc::kUnavailable,
       "this build has no MQTT; install libmosquitto-dev and configure with -DGRAFT_MQTT=ON");
}

}  // namespace graft::events
