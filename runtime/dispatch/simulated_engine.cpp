// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "engine/core/error.h"
#include "runtime/dispatch/engine.h"

namespace graft::dispatch {
namespace {

class SimulatedEngine final : public Engine {
 public:
  SimulatedEngine(VirtualClock& clock, int index, Ticks service)
      : clock_(clock), index_(index), service_(service) {
    GRAFT_CHECK(service > 0, "service time ", service);
  }
  [[nodiscard]] std::string name() const override { return "simulated " + std::to_string(index_); }
  [[nodiscard]] Ticks expected_service() const override { return service_; }
  void submit(Frame, Done done) override {
    const Ticks started = clock_.now(), finished = started + service_;
    // At equal ticks completions come by index, and before frames that arrive.
    clock_.at(finished, index_, [started, finished, done = std::move(done)] {
      done({.started = started, .finished = finished});
    });
  }

 private:
  VirtualClock& clock_;
  int index_;
  Ticks service_;
};

}  // namespace

std::unique_ptr<Engine> make_simulated_engine(VirtualClock& clock, int index, Ticks service) {
  return std::make_unique<SimulatedEngine>(clock, index, service);
}

}  // namespace graft::dispatch
