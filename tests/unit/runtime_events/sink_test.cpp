// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/sink.h"

#include <chrono>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <httplib.h>

#include "tests/support/fails_with.h"
#include "tests/unit/runtime_events/changes.h"

namespace graft::events {
namespace {

using graft::testing::fails_with;

/// A receiver on a free port of the loopback.
class Receiver {
 public:
  Receiver() {
    server_.Post("/hook", [this](const httplib::Request& request, httplib::Response& response) {
      const std::scoped_lock lock(mutex_);
      bodies_.push_back(request.body);
      authorization_ = request.get_header_value("Authorization");
      response.status = status_;
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  ~Receiver() {
    server_.stop();
    thread_.join();
  }
  [[nodiscard]] std::string address() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/hook";
  }
  void answer_with(int status) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
  }
  [[nodiscard]] std::vector<std::string> bodies() const {
    const std::scoped_lock lock(mutex_);
    return bodies_;
  }
  [[nodiscard]] std::string authorization() const {
    const std::scoped_lock lock(mutex_);
    return authorization_;
  }

 private:
  httplib::Server server_;
  mutable std::mutex mutex_;
  std::vector<std::string> bodies_;
  std::string authorization_;
  int status_ = 200;
  int port_ = 0;
  std::thread thread_;
};

EventRecord record() {
  return {.seq = 4, .id = "1000.5-4", .change = change_of(EventType::kNew, "cars", 5, 5)};
}

TEST(SinkWebhook, PostsTheRecord) {
  const Receiver receiver;
  const auto sink = make_sink(receiver.address(), {.webhook_token = Secret("t0ken")});
  EXPECT_EQ(sink->name(), receiver.address());
  EXPECT_TRUE(sink->deliver(record(), record().change.state));
  ASSERT_EQ(receiver.bodies().size(), 1U);
  EXPECT_EQ(parse_record(parse_json(receiver.bodies()[0], "post"), "post"), record());
  EXPECT_EQ(receiver.authorization(), "Bearer t0ken");
}

TEST(SinkWebhook, RetriesWhatMayPassAndLeavesOutWhatNeverWill) {
  Receiver receiver;
  const auto sink = make_sink(receiver.address(), {});
  for (const int status : {500, 503, 429, 401, 404, 302}) {
    receiver.answer_with(status);
    EXPECT_FALSE(sink->deliver(record(), record().change.state)) << status;
  }
  for (const int status : {400, 413, 422, 204}) {
    receiver.answer_with(status);
    EXPECT_TRUE(sink->deliver(record(), record().change.state)) << status;
  }
}

TEST(SinkWebhook, NobodyThere) {
  std::string address;
  {
    const Receiver receiver;
    address = receiver.address();
  }
  const auto sink = make_sink(address, {});
  EXPECT_FALSE(sink->deliver(record(), record().change.state));
}

TEST(SinkStdout, OneLineARecord) {
  const auto sink = make_sink("stdout", {});
  ::testing::internal::CaptureStdout();
  EXPECT_TRUE(sink->deliver(record(), record().change.state));
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), to_json(record()).dump() + "\n");
}

TEST(SinkAddress, RefusesWhatItCannotUse) {
  const auto made = [](const char* address) {
    return [address] { static_cast<void>(make_sink(address, {})); };
  };
  EXPECT_TRUE(fails_with(Errc::kUsage, {"'ftp://a'", "mqtt://HOST"}, made("ftp://a")));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"no host"}, made("mqtt://")));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"no host"}, made("http://:80/x")));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"port"}, made("http://a:0/")));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"port"}, made("mqtt://a:99999")));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"prefix"}, made("mqtt://a/b/#")));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"prefix"}, made("mqtt://a/b/")));
}

TEST(SinkAddress, CredentialsAreNeitherTakenNorShown) {
  for (const std::string scheme : {"http", "mqtt"}) {
    const std::string address = scheme + "://me:hunter2@host/x";
    try {
      static_cast<void>(make_sink(address, {}));
      ADD_FAILURE() << "taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::kUsage);
      EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos) << error.what();
    }
  }
  std::ostringstream out;
  out << Secret("hunter2");
  EXPECT_EQ(out.str(), "***");
}

/// Holds in a build with and without MQTT.
TEST(SinkMqtt, NobodyThereOrNotBuilt) {
  try {
    const auto sink = make_sink("mqtt://127.0.0.1:1/home/graft", {.mqtt_password = Secret("pw")});
    EXPECT_EQ(sink->name(), "mqtt://127.0.0.1:1/home/graft");
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(sink->deliver(record(), record().change.state));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
    sink->set_stats({{"fps", 5}});
    sink->idle(std::chrono::milliseconds(1));
    sink->close();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::kUnavailable);
    EXPECT_NE(std::string(error.what()).find("libmosquitto-dev"), std::string::npos);
  }
}

}  // namespace
}  // namespace graft::events
