// SPDX-License-Identifier: Apache-2.0
// Parallel detection in real time against the same dispatcher in virtual time: engines that sleep,
// fed by frames that come faster than they can take. One JSON line a rule: frames/s seen and
// predicted, frames out of order, and the overhead from "frame and engine are both there" to "the
// engine begins".
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "engine/io/json.h"
#include "runtime/dispatch/parallel_detector.h"

namespace {

using namespace graft::dispatch;
using std::chrono::nanoseconds;

struct Options {
  std::vector<std::string> rules = {"fcfs", "wrr", "pap", "eft"};
  std::vector<double> service_ms = {120, 300};
  double period_ms = 50;
  double seconds = 30;
  int queue = 2;
};

Ticks ns(double ms) { return static_cast<Ticks>(ms * 1e6); }

/// Frames a second, from the first arrival to the last completion.
double rate(const std::vector<Outcome>& outcomes) {
  Ticks last = 0;
  double processed = 0;
  for (const Outcome& o : outcomes) {
    if (o.engine < 0) continue;
    ++processed;
    last = std::max(last, o.finished);
  }
  return processed / (static_cast<double>(last - outcomes.front().arrived) * 1e-9);
}

std::vector<Outcome> run_virtual(const Options& options, const DispatchOptions& dispatch, int n) {
  VirtualClock clock;
  std::vector<std::unique_ptr<Engine>> engines;
  for (const double ms : options.service_ms) {
    engines.push_back(make_simulated_engine(clock, static_cast<int>(engines.size()), ns(ms)));
  }
  std::vector<Outcome> outcomes;
  ParallelDetector detector(clock, std::move(engines), dispatch, OutputOrder::kInOrder,
                            [&](Outcome o) { outcomes.push_back(std::move(o)); });
  for (int i = 0; i < n; ++i) {
    clock.at(i * ns(options.period_ms), 1 << 20, [&] { detector.offer(); });
  }
  clock.run();
  return outcomes;
}

std::vector<Outcome> run_real(const Options& options, const DispatchOptions& dispatch, int n) {
  const SteadyClock clock;
  std::vector<std::unique_ptr<Engine>> engines;
  for (const double ms : options.service_ms) {
    const nanoseconds service(ns(ms));
    engines.push_back(make_cpu_engine(clock, {.expected_service = service.count()},
                                      [service](graft::Context&, const Frame&) {
                                        std::this_thread::sleep_for(service);
                                        return graft::Tensor();
                                      }));
  }
  std::vector<Outcome> outcomes;
  ParallelDetector detector(clock, std::move(engines), dispatch, OutputOrder::kInOrder,
                            [&](Outcome o) { outcomes.push_back(std::move(o)); });
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < n; ++i) {
    std::this_thread::sleep_until(begin + nanoseconds(i * ns(options.period_ms)));
    detector.offer();
  }
  detector.drain();
  return outcomes;
}

graft::Json report(const std::string& rule, const std::vector<Outcome>& seen, double predicted) {
  std::vector<double> overhead_us;
  std::int64_t out_of_order = 0, dropped = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (i > 0 && seen[i].frame <= seen[i - 1].frame) ++out_of_order;
    if (seen[i].engine < 0) {
      ++dropped;
    } else {
      overhead_us.push_back(static_cast<double>(seen[i].started - seen[i].ready) / 1e3);
    }
  }
  std::sort(overhead_us.begin(), overhead_us.end());
  const auto quantile = [&](double q) {
    return overhead_us[static_cast<std::size_t>(q * static_cast<double>(overhead_us.size() - 1))];
  };
  return {{"rule", rule},
          {"sigma_fps", rate(seen)},
          {"predicted_fps", predicted},
          {"ratio", rate(seen) / predicted},
          {"frames", seen.size()},
          {"dropped", dropped},
          {"out_of_order", out_of_order},
          {"overhead_us", {{"p50", quantile(0.5)}, {"p99", quantile(0.99)}, {"max", quantile(1)}}}};
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Parallel detection in real time against virtual time");
  app.add_option("--rules", options.rules)->delimiter(',')->capture_default_str();
  app.add_option("--service-ms", options.service_ms)->delimiter(',')->capture_default_str();
  app.add_option("--period-ms", options.period_ms)->capture_default_str();
  app.add_option("--seconds", options.seconds)->capture_default_str();
  app.add_option("--queue", options.queue)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const int n = static_cast<int>(options.seconds * 1e3 / options.period_ms);
  for (const std::string& name : options.rules) {
    const auto rule = parse_rule(name);
    if (!rule) {
      std::cerr << "unknown rule '" << name << "'\n";
      return 2;
    }
    DispatchOptions dispatch{.rule = *rule};
    dispatch.queue.capacity = static_cast<std::size_t>(options.queue);
    const double predicted = rate(run_virtual(options, dispatch, n));
    std::cout << report(name, run_real(options, dispatch, n), predicted).dump() << std::endl;
  }
}
