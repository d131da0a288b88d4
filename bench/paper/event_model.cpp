// SPDX-License-Identifier: Apache-2.0
// The closed-form event model against simulation: random settings, the labelled event intervals of
// the authors' cameras, and the recorded curves of recall against stride (Fig 5.6).
// Usage: bench_event_model SHARED_FOLDER > RESULTS.jsonl
#include "scheduler/model/event_model.h"

#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "scheduler/model/monte_carlo.h"

namespace graft {
namespace {

constexpr double k95 = 1.96;

double uniform(Philox& random, double low, double high) {
  return low + (high - low) * random.uniform_double();
}

/// Recall and precision of random settings; prints how often the closed form is in the interval.
void random_settings(std::uint64_t n_settings, std::int64_t n_events) {
  int inside_recall = 0, inside_precision = 0;
  double worst = 0;
  for (std::uint64_t id = 0; id < n_settings; ++id) {
    Philox random({.seed = 11, .purpose = RngPurpose::kTest, .epoch = 0, .id = id});
    const FrameRates rates{uniform(random, 5, 30), uniform(random, 0.5, 5)};
    const EventStatistics events{uniform(random, 100, 3000), uniform(random, 0.01, 1),
                                 uniform(random, 0, 1)};
    const FrameDetector detector{uniform(random, 0.3, 1), uniform(random, 0, 0.4)};
    const EventQuality want = event_quality(events, detector, rates, {}, EventModel::kText);
    const auto got =
        simulate_quality(events, detector, rates, {}, EventModel::kText, n_events, 100 + id);
    const double off = std::fabs(got.recall.value - want.recall) / got.recall.standard_error;
    worst = std::max(worst, off);
    inside_recall += off <= k95 ? 1 : 0;
    inside_precision += std::fabs(got.precision.value - want.precision) <=
                                k95 * got.precision.standard_error + 1e-12
                            ? 1
                            : 0;
  }
  std::cout << Json{{"study", "random settings"},
                    {"settings", n_settings},
                    {"events_each", n_events},
                    {"recall_inside_95", inside_recall},
                    {"precision_inside_95", inside_precision},
                    {"worst_standard_errors", worst}}
            << "\n";
}

/// Lengths in frames of the labelled events, by camera and task.
std::map<std::string, std::vector<double>> event_lengths(const Json& intervals) {
  std::map<std::string, std::vector<double>> out;
  for (const Json& file : intervals.at("files")) {
    const auto path = file.at("file").get<std::string>();
    for (const Json& e : file.at("full")) {
      out[path.substr(0, path.rfind('/'))].push_back(e[1].get<double>() - e[0].get<double>() + 1);
    }
  }
  return out;
}

void traces(const Json& intervals) {
  constexpr double kRate = 0.6, kCorrelation = 0.3;
  for (const auto& [camera, lengths] : event_lengths(intervals)) {
    double sum = 0, least = lengths.front();
    for (const double d : lengths) {
      sum += d;
      least = std::min(least, d);
    }
    const double n = static_cast<double>(lengths.size());
    for (const double stride : {30.0, 120.0}) {
      const auto recall = [&](double frames) {
        return 1 - miss_probability(kRate, frames, stride, kCorrelation, {});
      };
      double each = 0;
      for (const double d : lengths) each += recall(d) / n;
      const SimulatedDetector detector{
          .rate = kRate, .correlation = kCorrelation, .stride = stride, .votes = {}};
      const Estimate simulated = simulate_trace(detector, lengths, 2000, 3);
      std::cout << Json{{"study", "event intervals"},
                        {"camera", camera},
                        {"events", lengths.size()},
                        {"mean_frames", sum / n},
                        {"min_frames", least},
                        {"stride", stride},
                        {"simulated", simulated.value},
                        {"standard_error", simulated.standard_error},
                        {"closed_form_each", each},
                        {"closed_form_mean", recall(sum / n)},
                        {"closed_form_min", recall(least)}}
                << "\n";
    }
  }
}

/// Our phase rule and the one behind the recorded curve, for independent frames.
void recall_against_stride(const Json& figure, double rate) {
  const auto lengths = figure.at("event_lengths_frames").get<std::vector<double>>();
  const Json& recorded = figure.at("recall").at("independent");
  const double n = static_cast<double>(lengths.size());
  double worst_ours = 0, worst_theirs = 0;
  for (std::size_t i = 0; i < recorded.size(); ++i) {
    const auto stride = static_cast<double>(i + 1);
    double ours = 0, theirs = 0;
    for (const double d : lengths) {
      ours += (1 - miss_probability(rate, d, stride, 0, {})) / n;
      const double more = std::fmod(d, stride) / d;
      const double few = d < stride ? d / stride * rate
                                    : 1 - (1 - more) * std::pow(1 - rate, std::floor(d / stride)) -
                                          more * std::pow(1 - rate, std::ceil(d / stride));
      theirs += few / n;
    }
    worst_ours = std::max(worst_ours, std::fabs(ours - recorded[i].get<double>()));
    worst_theirs = std::max(worst_theirs, std::fabs(theirs - recorded[i].get<double>()));
    if (i % 10 == 0) {
      const SimulatedDetector detector{
          .rate = rate, .correlation = 0, .stride = stride, .votes = {}};
      std::cout << Json{{"study", "recall against stride"},
                        {"stride", stride},
                        {"recorded", recorded[i]},
                        {"closed_form", ours},
                        {"simulated", simulate_trace(detector, lengths, 5000, i).value}}
                << "\n";
    }
  }
  std::cout << Json{{"study", "recall against stride, largest difference to the recorded curve"},
                    {"phase_rule_of_the_model", worst_ours},
                    {"phase_rule_of_the_figure", worst_theirs}}
            << "\n";
}

int run(const std::filesystem::path& shared) {
  const auto read = [&](const char* name) {
    return parse_json(read_file(shared / "oracles/mainstream" / name), name, Errc::kData);
  };
  random_settings(200, 20000);
  traces(read("event_intervals.json"));
  const Json throughput = read("throughput_latency.json");
  recall_against_stride(throughput.at("fig5_6_recall_vs_stride_train"), 0.93972);
  return 0;
}

}  // namespace
}  // namespace graft

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: bench_event_model SHARED_FOLDER\n";
    return graft::exit_code(graft::Errc::kUsage);
  }
  try {
    return graft::run(argv[1]);
  } catch (const graft::Error& e) {
    std::cerr << e.what() << "\n";
    return graft::exit_code(e.code());
  }
}
