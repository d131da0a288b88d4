// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/sink.h"

#include <thread>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "runtime/events/sinks.h"

namespace graft::events {
namespace {

constexpr std::string_view kMqtt = "mqtt://", kHttp = "http://", kHttps = "https://";
constexpr int kMqttPort = 1883;

[[noreturn]] void refuse(const std::string& address, const std::string& why) {
  fail(Errc::kUsage, "sink '", address, "': ", why,
       "; give stdout, mqtt://HOST[:PORT][/PREFIX] or http[s]://HOST[:PORT][/PATH]");
}

/// The parts of "SCHEME://HOST[:PORT][/PATH]".
struct Address {
  std::string host;
  int port = 0;      ///< 0: not given
  std::string path;  ///< with its slash
};

Address parse_address(const std::string& address, std::size_t scheme) {
  const std::string rest = address.substr(scheme);
  const auto slash = rest.find('/');
  const std::string authority = rest.substr(0, slash);
  Address out{.host = authority, .path = slash == std::string::npos ? "" : rest.substr(slash)};
  const auto bracket = authority.find(']');  // of an IPv6 address
  const auto colon = authority.find(':', bracket == std::string::npos ? 0 : bracket);
  if (colon != std::string::npos) {
    constexpr int kMostPort = 65535;
    const auto port = parse_int(authority.substr(colon + 1));
    if (!port || *port < 1 || *port > kMostPort) refuse(address, "its port is not 1 to 65535");
    out.port = static_cast<int>(*port);
    out.host = authority.substr(0, colon);
  }
  if (out.host.size() > 2 && out.host.front() == '[') {
    out.host = out.host.substr(1, out.host.size() - 2);
  }
  if (out.host.empty()) refuse(address, "it has no host");
  return out;
}

std::unique_ptr<EventSink> make_mqtt(const std::string& address, const SinkCredentials& secrets) {
  const Address a = parse_address(address, kMqtt.size());
  MqttOptions options{.host = a.host,
                      .port = a.port == 0 ? kMqttPort : a.port,
                      .user = secrets.mqtt_user,
                      .password = secrets.mqtt_password};
  if (a.path.size() > 1) options.prefix = a.path.substr(1);
  if (options.prefix.find_first_of("+#") != std::string::npos || options.prefix.back() == '/') {
    refuse(address, "a prefix has no +, no # and no / at its end");
  }
  return make_mqtt_sink(options);
}

std::unique_ptr<EventSink> make_webhook(const std::string& address, std::size_t scheme,
                                        const SinkCredentials& secrets) {
  const Address a = parse_address(address, scheme);
  return make_webhook_sink({.origin = address.substr(0, address.size() - a.path.size()),
                            .path = a.path.empty() ? "/" : a.path,
                            .token = secrets.webhook_token});
}

}  // namespace

void EventSink::idle(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }
void EventSink::set_stats(const Json&) {}

std::unique_ptr<EventSink> make_sink(const std::string& address,
                                     const SinkCredentials& credentials) {
  const auto begins = [&](std::string_view scheme) {
    return std::string_view(address).substr(0, scheme.size()) == scheme;
  };
  if (address.find('@') != std::string::npos) {  // not shown: there may be a password in it
    fail(Errc::kUsage,
         "a sink's address must not hold a user or password; set GRAFT_MQTT_USER and "
         "GRAFT_MQTT_PASSWORD_FILE, or GRAFT_WEBHOOK_TOKEN_FILE");
  }
  if (address == "stdout") return make_stdout_sink();
  if (begins(kMqtt)) return make_mqtt(address, credentials);
  if (begins(kHttp)) return make_webhook(address, kHttp.size(), credentials);
  if (begins(kHttps)) return make_webhook(address, kHttps.size(), credentials);
  refuse(address, "unknown kind");
}

}  // namespace graft::events
