// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/events/sink.h"

namespace graft::cli {

/// What sinks log in with, from the environment: GRAFT_MQTT_USER, GRAFT_MQTT_PASSWORD,
/// GRAFT_WEBHOOK_TOKEN, or the name of a file with the text: the same with _FILE. Throws
/// Error(kIo), or Error(kUsage) if both are set.
[[nodiscard]] events::SinkCredentials sink_credentials();

}  // namespace graft::cli
