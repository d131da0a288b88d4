// SPDX-License-Identifier: Apache-2.0
#include "runtime/dispatch/dispatcher.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "engine/core/error.h"

namespace graft::dispatch {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"fcfs", "rr", "wrr", "pap", "eft"};

}  // namespace

std::string_view name(Rule rule) { return kNames[static_cast<std::size_t>(rule)]; }

std::optional<Rule> parse_rule(std::string_view name) {
  const auto at = std::find(kNames.begin(), kNames.end(), name);
  if (at == kNames.end()) return std::nullopt;
  return static_cast<Rule>(at - kNames.begin());
}

Dispatcher::Dispatcher(const DispatchOptions& options, const std::vector<Ticks>& expected_service)
    : options_(options), shared_(options.queue) {
  GRAFT_CHECK(!expected_service.empty(), "no engine");
  GRAFT_CHECK(options.weights.empty() || options.weights.size() == expected_service.size(),
              options.weights.size(), " weights for ", expected_service.size(), " engines");
  GRAFT_CHECK(options.ewma > 0 && options.ewma <= 1, "ewma ", options.ewma);
  GRAFT_CHECK(options.refresh_every > 0, "refresh every ", options.refresh_every);
  for (const Ticks service : expected_service) {
    GRAFT_CHECK(service > 0, "service time ", service);
    QueueOptions queue = options.queue;
    queue.seed += engines_.size() + 1;  // each engine's drops are its own
    engines_.push_back({.queue = FrameQueue(queue), .service = static_cast<double>(service)});
  }
  weigh(0);
  for (std::size_t i = 0; i < options.weights.size(); ++i) {
    GRAFT_CHECK(options.weights[i] > 0, "weight ", options.weights[i]);
    engines_[i].weight = options.weights[i];
  }
}

double Dispatcher::estimate(int engine, Ticks now) const {
  const EngineState& e = engines_[static_cast<std::size_t>(engine)];
  return e.started ? std::max(e.service, static_cast<double>(now - *e.started)) : e.service;
}

std::size_t Dispatcher::waiting() const {
  std::size_t n = shared_.size();
  for (const EngineState& e : engines_) n += e.queue.size();
  return n;
}

/// Weights in proportion to the estimated rates; the fastest engine's is 2^20.
void Dispatcher::weigh(Ticks now) {
  constexpr double kScale = 1 << 20;
  double least = estimate(0, now);
  for (int i = 1; i < n_engines(); ++i) least = std::min(least, estimate(i, now));
  for (int i = 0; i < n_engines(); ++i) {
    const double weight = std::round(kScale * least / estimate(i, now));
    engines_[static_cast<std::size_t>(i)].weight =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(weight));
  }
}

int Dispatcher::fastest_idle(Ticks now) const {
  int best = -1;
  for (int i = 0; i < n_engines(); ++i) {
    if (engines_[static_cast<std::size_t>(i)].started) continue;
    if (best == -1 || estimate(i, now) < estimate(best, now)) best = i;
  }
  return best;
}

/// Smooth weighted round robin: everybody earns his weight, the richest is chosen and pays the sum.
int Dispatcher::next_by_weight() {
  std::int64_t total = 0;
  std::size_t best = 0;
  for (std::size_t i = 0; i < engines_.size(); ++i) {
    engines_[i].credit += engines_[i].weight;
    total += engines_[i].weight;
    if (engines_[i].credit > engines_[best].credit) best = i;
  }
  engines_[best].credit -= total;
  return static_cast<int>(best);
}

/// Among the engines that would not have to drop a frame, if there are such.
int Dispatcher::earliest_finish(Ticks now) const {
  int best = -1;
  bool best_has_room = false;
  double best_finish = 0;
  for (int i = 0; i < n_engines(); ++i) {
    const EngineState& e = engines_[static_cast<std::size_t>(i)];
    const double service = estimate(i, now);
    const double rest = e.started ? service - static_cast<double>(now - *e.started) : 0;
    const double finish = rest + service * static_cast<double>(e.queue.size() + 1);
    const bool has_room = !e.started || !e.queue.full();
    if (best == -1 || has_room > best_has_room ||
        (has_room == best_has_room && finish < best_finish)) {
      best = i;
      best_has_room = has_room;
      best_finish = finish;
    }
  }
  return best;
}

/// The engine of a frame that comes; -1: that which is free first.
int Dispatcher::choose(const Frame& frame, Ticks now) {
  switch (options_.rule) {
    case Rule::kFcfs:
      return fastest_idle(now);
    case Rule::kRoundRobin:
      return static_cast<int>(frame.index % n_engines());
    case Rule::kProportional:
      if (frame.index % options_.refresh_every == 0) weigh(now);
      return next_by_weight();
    case Rule::kWeighted:
      return next_by_weight();
    case Rule::kEarliestFinish:
      return earliest_finish(now);
  }
  return -1;
}

Decision Dispatcher::start_next(int engine, Ticks now, FrameQueue& queue) {
  Decision decision;
  auto frame = queue.pop(now, decision.dropped);
  if (!frame) return decision;
  engines_[static_cast<std::size_t>(engine)].started = now;
  decision.engine = engine;
  decision.frame = std::move(*frame);
  return decision;
}

Decision Dispatcher::arrive(Frame frame, Ticks now) {
  const int engine = choose(frame, now);
  if (engine >= 0) {
    EngineState& e = engines_[static_cast<std::size_t>(engine)];
    if (!e.started) {  // nothing waits for an engine that is free
      e.started = now;
      return {.engine = engine, .frame = std::move(frame), .dropped = {}};
    }
  }
  FrameQueue& queue = engine < 0 ? shared_ : engines_[static_cast<std::size_t>(engine)].queue;
  Decision decision;
  if (auto dropped = queue.push(std::move(frame))) decision.dropped.push_back(std::move(*dropped));
  return decision;
}

Decision Dispatcher::complete(int engine, Ticks now) {
  GRAFT_CHECK(engine >= 0 && engine < n_engines(), "engine ", engine);
  EngineState& e = engines_[static_cast<std::size_t>(engine)];
  GRAFT_CHECK(e.started, "engine ", engine, " has no frame in service");
  e.service += options_.ewma * (static_cast<double>(now - *e.started) - e.service);
  e.started.reset();
  return start_next(engine, now, options_.rule == Rule::kFcfs ? shared_ : e.queue);
}

}  // namespace graft::dispatch
