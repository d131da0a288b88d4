// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/dispatch/frame_queue.h"

namespace graft::dispatch {

/// Which engine runs a frame.
enum class Rule {
  kFcfs,            ///< one queue; whichever engine is free, the fastest of those that are
  kRoundRobin,      ///< frame i to engine i mod n
  kWeighted,        ///< smooth weighted round robin by fixed weights
  kProportional,    ///< the same by rates that are estimated as it runs
  kEarliestFinish,  ///< the engine that is expected to finish the frame first
};

/// "fcfs", "rr", "wrr", "pap", "eft".
[[nodiscard]] std::string_view name(Rule rule);
[[nodiscard]] std::optional<Rule> parse_rule(std::string_view name);

struct DispatchOptions {
  Rule rule = Rule::kFcfs;
  QueueOptions queue{};                 ///< of the one queue of kFcfs, of each engine's queue else
  std::vector<std::int64_t> weights{};  ///< of kWeighted, > 0; empty: by the expected service times
  double ewma = 0.2;                    ///< weight of a new service time in the estimate
  int refresh_every = 16;               ///< frames between new weights, kProportional
};

/// What is to be done now.
struct Decision {
  int engine = -1;  ///< that starts `frame`; -1: none starts
  Frame frame;
  std::vector<Frame> dropped;
};

/// Decides which engine runs which frame: a state machine that knows time only as an argument, so
/// that the same code decides in simulations and in earnest. An engine runs one frame at a time.
/// Deterministic. Not thread-safe. Source: EVA (arXiv 2107.12563) and hyperparameters.md section 5.
class Dispatcher {
 public:
  /// `expected_service`: ticks a frame takes on each engine, > 0; estimates begin with it.
  Dispatcher(const DispatchOptions& options, const std::vector<Ticks>& expected_service);

  /// A frame has come; indexes count up from 0 without gaps, also over dropped frames.
  Decision arrive(Frame frame, Ticks now);
  /// The engine has finished the frame it was given.
  Decision complete(int engine, Ticks now);

  [[nodiscard]] int n_engines() const { return static_cast<int>(engines_.size()); }
  /// Expected service time of an engine: average of what was seen, latest most, but at least what
  /// the frame in service has taken already.
  [[nodiscard]] double estimate(int engine, Ticks now) const;
  /// Frames that wait.
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct EngineState {
    FrameQueue queue;
    double service = 0;  // estimate, ticks
    std::int64_t weight = 0, credit = 0;
    std::optional<Ticks> started{};  // of the frame in service
  };

  [[nodiscard]] int choose(const Frame& frame, Ticks now);
  [[nodiscard]] int fastest_idle(Ticks now) const;
  [[nodiscard]] int next_by_weight();
  [[nodiscard]] int earliest_finish(Ticks now) const;
  void weigh(Ticks now);
  [[nodiscard]] Decision start_next(int engine, Ticks now, FrameQueue& queue);

  DispatchOptions options_;
  FrameQueue shared_;  // of kFcfs
  std::vector<EngineState> engines_;
};

}  // namespace graft::dispatch
