// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "runtime/dispatch/frame_queue.h"

namespace graft::dispatch {

/// How an engine fared with a frame.
struct Completion {
  Ticks started = 0, finished = 0;
  Tensor output{};
  std::string error{};  ///< of an engine that failed at this frame; empty: it did not
};

/// Something that runs frames, one at a time.
class Engine {
 public:
  using Done = std::function<void(Completion)>;
  virtual ~Engine() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// Ticks a frame is expected to take, before any was seen.
  [[nodiscard]] virtual Ticks expected_service() const = 0;
  /// Begins with a frame and returns at once; `done` is called exactly once, later, from any
  /// thread, and never from within submit(). Not called again before that.
  virtual void submit(Frame frame, Done done) = 0;
};

/// An engine that takes a fixed time on a virtual clock and computes nothing.
[[nodiscard]] std::unique_ptr<Engine> make_simulated_engine(VirtualClock& clock, int index,
                                                            Ticks service);

struct CpuEngineOptions {
  std::string name = "cpu";
  int threads = 1;           ///< compute threads of its context
  std::vector<int> cores{};  ///< the processors it may run on; empty: any
  Ticks expected_service = 1'000'000'000;
};

/// A group of cores: a thread with a context of its own. `run` computes a frame's output from its
/// image; an exception becomes the error of the completion. The destructor waits for the frame in
/// service. Throws Error(kUnavailable) if the cores are not to be had.
[[nodiscard]] std::unique_ptr<Engine> make_cpu_engine(
    const Clock& clock, const CpuEngineOptions& options,
    std::function<Tensor(Context&, const Frame&)> run);

}  // namespace graft::dispatch
