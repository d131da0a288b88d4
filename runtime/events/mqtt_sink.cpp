// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include <mosquitto.h>

#include "engine/core/back_off.h"
#include "engine/core/error.h"
#include "engine/core/log.h"
#include "runtime/events/sinks.h"

namespace graft::events {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kPatience = std::chrono::seconds(5);  // for the broker's answer
constexpr milliseconds kSlice{20};
constexpr milliseconds kLeastWait{200}, kMostWait{30'000};  // between attempts to connect
constexpr int kKeepAliveS = 15, kQos = 1;
constexpr const char* kOnline = "online";
constexpr const char* kOffline = "offline";
constexpr const char* kStopped = "stopped";

/// libmosquitto is set up once for the process.
void initialise() {
  static const int status = mosquitto_lib_init();
  if (status != MOSQ_ERR_SUCCESS) fail(Errc::kUnavailable, "cannot start libmosquitto");
}

/// A level of a topic.
std::string level(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '/' || c == '+' || c == '#'; }, '_');
  return name;
}

/// The members that Frigate's messages have, then ours.
Json frigate_event(const EventRecord& record, const EventState& state, bool ended) {
  Json json = {{"id", record.id},
               {"camera", state.stream},
               {"frame_time", state.at.captured_at},
               {"label", state.app},
               {"sub_label", nullptr},
               {"score", state.confidence},
               {"top_score", state.top_confidence},
               {"false_positive", false},
               {"start_time", state.first.captured_at},
               {"end_time", ended ? Json(state.last.captured_at) : Json(nullptr)},
               {"schema", kEventSchema},
               {"seq", record.seq},
               {"pts", state.at.pts_s},
               {"captured_at", state.at.captured_at}};
  json.update(to_json(state));
  return json;
}

/// One thread drives the connection: that which delivers. libmosquitto's own thread would end for
/// good where a host name cannot be resolved yet.
class MqttSink final : public EventSink {
 public:
  explicit MqttSink(const MqttOptions& options)
      : options_(options), available_(options.prefix + "/available") {
    initialise();
    client_ = mosquitto_new(nullptr, true, this);
    if (client_ == nullptr) fail(Errc::kOutOfMemory, "no memory for an MQTT client");
    mosquitto_connect_callback_set(client_, [](mosquitto*, void* self, int code) {
      static_cast<MqttSink*>(self)->on_connect(code);
    });
    mosquitto_disconnect_callback_set(client_, [](mosquitto*, void* self, int) {
      static_cast<MqttSink*>(self)->connected_ = false;
    });
    mosquitto_publish_callback_set(client_, [](mosquitto*, void* self, int id) {
      static_cast<MqttSink*>(self)->on_acknowledged(id);
    });
    const std::string offline = kOffline;
    check(mosquitto_will_set(client_, available_.c_str(), static_cast<int>(offline.size()),
                             offline.data(), kQos, true));
    if (!options.user.empty()) {
      const auto& password = options.password;
      check(mosquitto_username_pw_set(client_, options.user.reveal().c_str(),
                                      password.empty() ? nullptr : password.reveal().c_str()));
    }
  }
  MqttSink(const MqttSink&) = delete;
  MqttSink& operator=(const MqttSink&) = delete;
  ~MqttSink() override { mosquitto_destroy(client_); }

  [[nodiscard]] std::string name() const override {
    return "mqtt://" + options_.host + ":" + std::to_string(options_.port) + "/" + options_.prefix;
  }

  bool deliver(const EventRecord& record, const EventState& before) override {
    if (!connected_ && !connect()) return false;
    const auto& [type, after, reason] = record.change;
    const bool ended = type == EventType::kEnd;
    Json message = {{"type", events::name(type)},
                    {"before", frigate_event(record, before, false)},
                    {"after", frigate_event(record, after, ended)}};
    if (reason) message["after"]["reason"] = events::name(*reason);
    if (!publish(options_.prefix + "/events", message.dump(), false)) return false;
    if (type == EventType::kUpdate) return true;
    return publish(
        options_.prefix + "/" + level(after.stream) + "/classification/" + level(after.app),
        ended ? "off" : "on", true);
  }

  void idle(milliseconds time) override {
    const auto end = Clock::now() + time;
    if (!connected_ && Clock::now() >= next_attempt_) connect();
    send_stats();
    while (Clock::now() < end) loop();
  }

  void set_stats(const Json& stats) override {
    const std::scoped_lock lock(mutex_);
    stats_ = stats.dump();
  }

  void close() override {
    if (!connected_) return;
    publish(available_, kStopped, true);
    mosquitto_disconnect(client_);
    loop();
  }

 private:
  static void check(int status) {
    if (status != MOSQ_ERR_SUCCESS) fail(Errc::kInternal, "MQTT: ", mosquitto_strerror(status));
  }

  void on_connect(int code) {
    connected_ = code == 0;
    if (!connected_) trouble(mosquitto_connack_string(code));
  }

  void on_acknowledged(int id) {
    if (id == awaited_) awaited_.reset();
  }

  /// Logs a trouble once, not at each attempt.
  void trouble(const std::string& what) {
    if (what == trouble_) return;
    trouble_ = what;
    log::warning("{}: {}; events wait in the journal", name(), what);
  }

  /// Lets the connection live for a moment.
  void loop() {
    const int status = mosquitto_loop(client_, static_cast<int>(kSlice.count()), 1);
    if (status == MOSQ_ERR_SUCCESS) return;
    if (connected_) trouble(mosquitto_strerror(status));
    connected_ = false;
    failed_ = true;
    if (status == MOSQ_ERR_NO_CONN) std::this_thread::sleep_for(kSlice);
  }

  /// Calls loop() until `done` or trouble.
  template <class F>
  bool loop_until(F&& done) {
    const auto end = Clock::now() + kPatience;
    failed_ = false;
    while (!done()) {
      if (failed_ || Clock::now() >= end) return false;
      loop();
    }
    return true;
  }

  bool connect() {
    // Not blocking: a host that drops packets must not hold up the end of the process.
    const int status =
        mosquitto_connect_async(client_, options_.host.c_str(), options_.port, kKeepAliveS);
    if (status != MOSQ_ERR_SUCCESS) {
      trouble(mosquitto_strerror(status));
    } else if (loop_until([&] { return connected_; }) && publish(available_, kOnline, true)) {
      log::info("{}: connected", name());
      trouble_.clear();
      back_off_.reset();
      return true;
    } else {
      trouble("no answer");
    }
    connected_ = false;
    next_attempt_ = Clock::now() + back_off_.next();
    return false;
  }

  /// True when the broker has acknowledged it.
  bool publish(const std::string& topic, const std::string& payload, bool retain) {
    int id = 0;
    const int status =
        mosquitto_publish(client_, &id, topic.c_str(), static_cast<int>(payload.size()),
                          payload.data(), kQos, retain);
    if (status != MOSQ_ERR_SUCCESS) {
      trouble(mosquitto_strerror(status));
      connected_ = false;
      return false;
    }
    awaited_ = id;
    if (loop_until([&] { return !awaited_; })) return true;
    trouble("no acknowledgement");
    connected_ = false;  // begin anew; the message may arrive twice
    return false;
  }

  void send_stats() {
    std::string stats;
    {
      const std::scoped_lock lock(mutex_);
      if (!connected_ || stats_.empty()) return;
      stats.swap(stats_);
    }
    const std::string topic = options_.prefix + "/stats";
    mosquitto_publish(client_, nullptr, topic.c_str(), static_cast<int>(stats.size()), stats.data(),
                      0, false);
  }

  MqttOptions options_;
  std::string available_;
  mosquitto* client_ = nullptr;
  bool connected_ = false;
  bool failed_ = false;
  std::optional<int> awaited_;  // id of the message whose acknowledgement is waited for
  std::string trouble_;
  Clock::time_point next_attempt_{};
  BackOff back_off_{kLeastWait, kMostWait, std::random_device{}()};
  std::mutex mutex_;
  std::string stats_;
};

}  // namespace

std::unique_ptr<EventSink> make_mqtt_sink(const MqttOptions& options) {
  return std::make_unique<MqttSink>(options);
}

}  // namespace graft::events
