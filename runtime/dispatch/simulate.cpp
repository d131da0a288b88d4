// SPDX-License-Identifier: Apache-2.0
#include "runtime/dispatch/simulate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "runtime/dispatch/parallel_detector.h"

namespace graft::dispatch {
namespace {

constexpr std::int64_t kMaxHz = 1'000'000'000'000;
constexpr std::int64_t kMaxFrames = 10'000'000;
constexpr int kArrivalRank = std::numeric_limits<int>::max();

/// numerator / denominator in lowest terms, > 0.
struct Ratio {
  std::int64_t numerator, denominator;
};

/// The decimal number that a double was written as: 13.5 is 27/2, 0.1 is 1/10.
Ratio exact(double value, const std::string& what) {
  constexpr int kMostDecimals = 6;
  std::int64_t scale = 1;
  for (int decimals = 0; decimals <= kMostDecimals; ++decimals, scale *= 10) {
    const double scaled = std::round(value * static_cast<double>(scale));
    if (scaled < 1 || scaled > 1e12) continue;
    if (scaled / static_cast<double>(scale) != value) continue;
    const auto numerator = static_cast<std::int64_t>(scaled);
    const std::int64_t divisor = std::gcd(numerator, scale);
    return {numerator / divisor, scale / divisor};
  }
  fail(Errc::kData, what, " is ", value, ", not a positive number of at most ", kMostDecimals,
       " decimals");
}

/// Least common multiple of the numerators: one tick divides every time between frames.
std::int64_t common_hz(const std::vector<Ratio>& rates, const std::string& id) {
  std::int64_t hz = 1;
  for (const Ratio& r : rates) {
    const std::int64_t factor = r.numerator / std::gcd(hz, r.numerator);
    if (factor > kMaxHz / hz) {
      fail(Errc::kData, "case ", id, ": its rates need more than ", kMaxHz, " ticks a second");
    }
    hz *= factor;
  }
  return hz;
}

/// hz / rate.
Ticks ticks_of(const Ratio& rate, std::int64_t hz) {
  return hz / rate.numerator * rate.denominator;
}

/// Rounded as the decimal number that the double is: value * 1e6 may itself be rounded to a tie.
double six_decimals(double value) { return std::stod(fmt::format("{:.6f}", value)); }

double share(double part, double whole) { return whole == 0 ? 0 : part / whole; }

/// Collects outcomes, which come in order of the frames.
class Tally {
 public:
  explicit Tally(SimulationResult& result) : result_(result) {}
  void add(const Outcome& o) {
    if (o.engine < 0) {
      ++result_.dropped;
      result_.longest_drop_burst = std::max(result_.longest_drop_burst, ++burst_);
      return;
    }
    burst_ = 0;
    ++result_.processed;
    ++result_.per_worker[static_cast<std::size_t>(o.engine)];
    const Ticks latency = o.finished - o.arrived;
    result_.sum_latency_ticks += latency;
    result_.max_latency_ticks = std::max(result_.max_latency_ticks, latency);
    result_.makespan_ticks = std::max(result_.makespan_ticks, o.finished);
  }

 private:
  SimulationResult& result_;
  std::int64_t burst_ = 0;
};

/// Weights in exact proportion to the rates.
std::vector<std::int64_t> exact_weights(const std::vector<double>& mu, const std::string& id) {
  std::vector<std::int64_t> weights;
  std::int64_t denominator = 1;
  for (const double m : mu) denominator = std::lcm(denominator, exact(m, id).denominator);
  for (const double m : mu) {
    const Ratio r = exact(m, id);
    weights.push_back(r.numerator * (denominator / r.denominator));
  }
  return weights;
}

QueueOptions parse_queue(const Json& json) {
  QueueOptions queue;
  const Json& cap = json.at("cap");
  queue.capacity.reset();
  if (!cap.is_null()) {
    const auto n = cap.get<std::int64_t>();
    if (n < 0) fail(Errc::kData, "cap ", n, " is below 0");
    queue.capacity = static_cast<std::size_t>(n);
  }
  const auto drop = json.at("drop").get<std::string>();
  if (drop == "newest") {
    queue.drop = Drop::kNewest;
  } else if (drop == "random") {
    queue.drop = Drop::kRandom;
  } else if (drop != "oldest" && drop != "none") {
    fail(Errc::kData, "drop '", drop, "' is none of newest, oldest, random, none");
  } else if (drop == "none" && queue.capacity) {
    fail(Errc::kData, "drop 'none' with cap ", *queue.capacity, "; a full queue must drop");
  }
  return queue;
}

SimulationCase parse_case(const Json& json) {
  SimulationCase c{.id = json.at("id"),
                   .mu = json.at("mu").get<std::vector<double>>(),
                   .lambda = json.at("lam"),
                   .seconds = json.at("T"),
                   .dispatch = {}};
  constexpr std::size_t kMostEngines = 1024;
  if (c.mu.empty() || c.mu.size() > kMostEngines) {
    fail(Errc::kData, "mu has ", c.mu.size(), " engines, not 1 to ", kMostEngines);
  }
  const auto policy = json.at("policy").get<std::string>();
  const auto rule = parse_rule(policy);
  if (!rule) fail(Errc::kData, "policy '", policy, "' is none of fcfs, rr, wrr, pap, eft");
  c.dispatch.rule = *rule;
  c.dispatch.queue = parse_queue(json);
  if (*rule == Rule::kWeighted) c.dispatch.weights = exact_weights(c.mu, c.id);
  return c;
}

}  // namespace

double SimulationResult::sigma_fps(double seconds) const {
  const double makespan = static_cast<double>(makespan_ticks) / static_cast<double>(tick_hz);
  return share(static_cast<double>(processed), std::max(seconds, makespan));
}

SimulationResult simulate(const SimulationCase& c) {
  std::vector<Ratio> rates;
  for (const double m : c.mu) rates.push_back(exact(m, "case " + c.id + ": mu"));
  rates.push_back(exact(c.lambda, "case " + c.id + ": lam"));
  SimulationResult result;
  result.tick_hz = common_hz(rates, c.id);
  result.period_ticks = ticks_of(rates.back(), result.tick_hz);
  result.per_worker.assign(c.mu.size(), 0);
  const double frames = std::ceil(c.seconds * c.lambda - 1e-9);
  if (!(frames >= 0 && frames <= static_cast<double>(kMaxFrames))) {
    fail(Errc::kData, "case ", c.id, ": ", frames, " frames, at most ", kMaxFrames);
  }
  result.frames = static_cast<std::int64_t>(frames);

  VirtualClock clock;
  std::vector<std::unique_ptr<Engine>> engines;
  for (std::size_t i = 0; i < c.mu.size(); ++i) {
    result.service_ticks.push_back(ticks_of(rates[i], result.tick_hz));
    engines.push_back(
        make_simulated_engine(clock, static_cast<int>(i), result.service_ticks.back()));
  }
  Tally tally(result);
  ParallelDetector detector(clock, std::move(engines), c.dispatch, OutputOrder::kInOrder,
                            [&](const Outcome& o) { tally.add(o); });
  std::function<void(std::int64_t)> arrive = [&](std::int64_t left) {
    if (left == 0) return;
    detector.offer();
    clock.at(clock.now() + result.period_ticks, kArrivalRank, [&, left] { arrive(left - 1); });
  };
  clock.at(0, kArrivalRank, [&] { arrive(result.frames); });
  clock.run();
  return result;
}

std::vector<SimulationCase> parse_cases(const Json& json, const std::string& source) {
  if (!json.is_object() || !json.contains("cases") || !json.at("cases").is_array()) {
    fail(Errc::kData, source, ": no array \"cases\"");
  }
  std::vector<SimulationCase> cases;
  for (const Json& item : json.at("cases")) {
    const std::string where = fmt::format("{}: case {}", source, cases.size());
    try {
      cases.push_back(parse_case(item));
    } catch (const std::exception& error) {
      fail(Errc::kData, where, ": ", error.what());
    }
  }
  return cases;
}

Json to_json(const SimulationResult& r, double seconds) {
  const auto hz = static_cast<double>(r.tick_hz);
  const auto processed = static_cast<double>(r.processed);
  return {{"tick_hz", r.tick_hz},
          {"service_ticks", r.service_ticks},
          {"period_ticks", r.period_ticks},
          {"frames", r.frames},
          {"processed", r.processed},
          {"dropped", r.dropped},
          {"per_worker", r.per_worker},
          {"sum_latency_ticks", r.sum_latency_ticks},
          {"max_latency_ticks", r.max_latency_ticks},
          {"longest_drop_burst", r.longest_drop_burst},
          {"makespan_ticks", r.makespan_ticks},
          {"sigma_fps", six_decimals(r.sigma_fps(seconds))},
          {"drop_frac",
           six_decimals(share(static_cast<double>(r.dropped), static_cast<double>(r.frames)))},
          {"mean_latency_s",
           six_decimals(share(static_cast<double>(r.sum_latency_ticks), processed * hz))}};
}

}  // namespace graft::dispatch
