// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include <httplib.h>

#include "engine/core/log.h"
#include "runtime/events/sinks.h"

namespace graft::events {
namespace {

constexpr int kTimeoutS = 5;

class WebhookSink final : public EventSink {
 public:
  explicit WebhookSink(const WebhookOptions& options) : options_(options), client_(options.origin) {
    client_.set_connection_timeout(kTimeoutS);
    client_.set_read_timeout(kTimeoutS);
    client_.set_write_timeout(kTimeoutS);
    client_.set_keep_alive(true);
    if (!options.token.empty()) client_.set_bearer_token_auth(options.token.reveal());
  }

  [[nodiscard]] std::string name() const override { return options_.origin + options_.path; }

  bool deliver(const EventRecord& record, const EventState&) override {
    const auto reply = client_.Post(options_.path, to_json(record).dump(), "application/json");
    if (!reply) {
      report(httplib::to_string(reply.error()));
      return false;
    }
    const int status = reply->status;
    if (refuses_record(status)) {
      log::error("{}: refused event {} seq {} with status {}; it is left out", name(), record.id,
                 record.seq, status);
      return true;
    }
    const bool taken = status / 100 == 2;
    report(taken ? "" : "status " + std::to_string(status));
    return taken;
  }

 private:
  static bool refuses_record(int status) { return status == 400 || status == 413 || status == 422; }

  /// Logs a trouble once, not at each retry.
  void report(const std::string& trouble) {
    if (trouble == trouble_) return;
    trouble_ = trouble;
    if (trouble.empty()) {
      log::info("{}: delivers again", name());
    } else {
      log::warning("{}: {}; events wait in the journal", name(), trouble);
    }
  }

  WebhookOptions options_;
  httplib::Client client_;
  std::string trouble_;
};

}  // namespace

std::unique_ptr<EventSink> make_webhook_sink(const WebhookOptions& options) {
  return std::make_unique<WebhookSink>(options);
}

}  // namespace graft::events
