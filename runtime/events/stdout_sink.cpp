// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "runtime/events/sinks.h"

namespace graft::events {
namespace {

class StdoutSink final : public EventSink {
 public:
  [[nodiscard]] std::string name() const override { return "stdout"; }
  bool deliver(const EventRecord& record, const EventState&) override {
    std::cout << to_json(record).dump() << std::endl;
    return std::cout.good();
  }
};

}  // namespace

std::unique_ptr<EventSink> make_stdout_sink() { return std::make_unique<StdoutSink>(); }

}  // namespace graft::events
