// SPDX-License-Identifier: Apache-2.0
#include "runtime/dispatch/parallel_detector.h"

#include <algorithm>
#include <utility>

namespace graft::dispatch {
namespace {

std::vector<Ticks> services(const std::vector<std::unique_ptr<Engine>>& engines) {
  std::vector<Ticks> out;
  for (const auto& engine : engines) out.push_back(engine->expected_service());
  return out;
}

}  // namespace

ParallelDetector::ParallelDetector(const Clock& clock, std::vector<std::unique_ptr<Engine>> engines,
                                   const DispatchOptions& options, OutputOrder order,
                                   OnOutcome on_outcome)
    : clock_(clock),
      on_outcome_(std::move(on_outcome)),
      dispatcher_(options, services(engines)),
      reorder_(order),
      idle_since_(engines.size(), clock.now()),
      engines_(std::move(engines)) {}

ParallelDetector::~ParallelDetector() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  engines_.clear();
}

std::int64_t ParallelDetector::offer(Tensor image) {
  const std::scoped_lock lock(mutex_);
  const Ticks now = clock_.now();
  const std::int64_t index = offered_++;
  act(dispatcher_.arrive({.index = index, .arrived = now, .image = std::move(image)}, now));
  return index;
}

/// Carries a decision out. Under the lock.
void ParallelDetector::act(Decision decision) {
  if (decision.engine >= 0) {
    const auto engine = static_cast<std::size_t>(decision.engine);
    const Ticks ready = std::max(decision.frame.arrived, idle_since_[engine]);
    // The engine gets the image; what stays here must not keep it alive.
    const Frame ticket{.index = decision.frame.index, .arrived = decision.frame.arrived};
    engines_[engine]->submit(std::move(decision.frame),
                             [this, e = decision.engine, ticket, ready](Completion completion) {
                               finish(e, ticket, ready, std::move(completion));
                             });
  }
  for (const Frame& frame : decision.dropped) {
    give_out({.frame = frame.index, .arrived = frame.arrived});
  }
}

void ParallelDetector::finish(int engine, const Frame& frame, Ticks ready, Completion completion) {
  const std::scoped_lock lock(mutex_);
  idle_since_[static_cast<std::size_t>(engine)] = completion.finished;
  Decision next = dispatcher_.complete(engine, clock_.now());
  if (!stopping_) act(std::move(next));  // the engine first: results can wait a moment
  give_out({.frame = frame.index,
            .engine = engine,
            .arrived = frame.arrived,
            .ready = ready,
            .started = completion.started,
            .finished = completion.finished,
            .output = std::move(completion.output),
            .error = std::move(completion.error)});
}

void ParallelDetector::give_out(Outcome outcome) {
  for (Outcome& o : reorder_.push(std::move(outcome))) {
    ++given_out_;
    on_outcome_(std::move(o));
  }
  if (given_out_ == offered_) drained_.notify_all();
}

void ParallelDetector::drain() {
  std::unique_lock lock(mutex_);
  drained_.wait(lock, [&] { return given_out_ == offered_; });
}

std::int64_t ParallelDetector::late() const {
  const std::scoped_lock lock(mutex_);
  return reorder_.late();
}

std::size_t ParallelDetector::most_waiting() const {
  const std::scoped_lock lock(mutex_);
  return reorder_.most_waiting();
}

}  // namespace graft::dispatch
