// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/sink_credentials.h"

#include <string>

#include "engine/core/error.h"
#include "engine/io/file.h"
#include "runtime/cli/args.h"

namespace graft::cli {
namespace {

events::Secret secret(const std::string& name) {
  constexpr std::uint64_t kMaxBytes = 4096;
  const auto text = environment(name), file = environment(name + "_FILE");
  if (text && file) fail(Errc::kUsage, "both ", name, " and ", name, "_FILE are set; unset one");
  if (!file) return events::Secret(text.value_or(""));
  std::string read = read_file(*file, kMaxBytes);
  while (!read.empty() && (read.back() == '\n' || read.back() == '\r')) read.pop_back();
  return events::Secret(read);
}

}  // namespace

events::SinkCredentials sink_credentials() {
  return {.mqtt_user = secret("GRAFT_MQTT_USER"),
          .mqtt_password = secret("GRAFT_MQTT_PASSWORD"),
          .webhook_token = secret("GRAFT_WEBHOOK_TOKEN")};
}

}  // namespace graft::cli
