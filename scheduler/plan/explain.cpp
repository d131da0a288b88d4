// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "scheduler/plan/schedule.h"

namespace graft {
namespace {

constexpr double kNothing = 5e-5;  // of F1: what four digits do not show

const Application* find_app(const Workload& workload, const std::string& app_name) {
  const auto at = std::find_if(workload.apps.begin(), workload.apps.end(),
                               [&](const Application& a) { return a.name == app_name; });
  return at == workload.apps.end() ? nullptr : &*at;
}

/// How the candidate that runs compares with the application's most accurate one.
std::string candidate_words(const Application& app, const Placement& place) {
  double accuracy = 0;
  const Candidate* best = &app.candidates.front();
  for (const Candidate& c : app.candidates) {
    if (c.frozen == place.frozen) accuracy = std::max(accuracy, c.detector.hit_rate);
    if (c.detector.hit_rate > best->detector.hit_rate) best = &c;
  }
  if (accuracy >= best->detector.hit_rate) {
    return fmt::format("its most accurate candidate ({:.4f}), {} layers shared", accuracy,
                       place.frozen);
  }
  return fmt::format("{} layers shared at accuracy {:.4f}, where {} layers would give {:.4f}",
                     place.frozen, accuracy, best->frozen, best->detector.hit_rate);
}

}  // namespace

std::vector<std::string> explain(const Schedule& schedule, const Workload& workload) {
  std::vector<std::string> out;
  for (const ScheduledApp& a : schedule.apps) {
    const Application* app = find_app(workload, a.name);
    const double given_up = a.best_alone_f1 - a.quality.f1;
    out.push_back(fmt::format(
        "{}: F1 {:.4f}, {}; runs {} at {:g} of {:g} frames/s{}.", a.name, a.quality.f1,
        given_up < kNothing ? "gave up nothing"
                            : fmt::format("gave up {:.4f} of the {:.4f} that it could have",
                                          given_up, a.best_alone_f1),
        app == nullptr ? "" : candidate_words(*app, a.place), a.place.fps, workload.stream_fps,
        a.votes ? fmt::format(", {} in a row needed", *a.votes) : ""));
  }
  for (const std::string& name : schedule.rejected) {
    out.push_back(fmt::format("{}: not admitted, it does not fit beside the others.", name));
  }
  out.push_back(
      fmt::format("Cost {:.6g} of {:.6g}; at most {:.4f} more is possible for the objective.",
                  schedule.cost, schedule.budget, schedule.upper_bound - schedule.objective));
  return out;
}

}  // namespace graft
