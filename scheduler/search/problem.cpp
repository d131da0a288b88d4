// SPDX-License-Identifier: Apache-2.0
#include "scheduler/search/problem.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"

namespace graft {
namespace {

constexpr double kSlack = 1e-9, kRelativeSlack = 1e-12;
constexpr std::size_t kMaxRates = 256;

void check_bound(const char* flag, double value) {
  if (!std::isfinite(value) || value < 0) {
    fail(Errc::kConfig, flag, " must be a finite number of at least 0, it is ", value);
  }
}

void check(const ScheduleSettings& s, const CostModel& costs, double stream_fps) {
  check_bound("budget", s.budget);
  if (s.max_latency) check_bound("max-latency", *s.max_latency);
  if (s.max_memory) {
    check_bound("max-memory", *s.max_memory);
    if (!costs.has_memory()) {
      fail(Errc::kConfig, "max-memory needs \"memory\" of each layer in the cost file");
    }
  }
  if (s.rates.empty() || s.rates.size() > kMaxRates) {
    fail(Errc::kConfig, "rates: ", s.rates.size(), " given; 1 to ", kMaxRates,
         " can be tried, choose them with --rates");
  }
  for (const double r : s.rates) {
    if (!std::isfinite(r) || r <= 0 || r > stream_fps) {
      fail(Errc::kConfig, "rates: ", r, " is not above 0 and at most the stream's ", stream_fps);
    }
  }
}

Option best_votes(const Application& app, const Candidate& candidate, const FrameRates& rates,
                  const ScheduleSettings& settings) {
  Option best;
  best.place = {candidate.frozen, rates.fps};
  const auto quality = [&](std::optional<int> votes) {
    return event_quality(app.events, candidate.detector, rates, votes, settings.model);
  };
  if (settings.votes.empty()) {
    best.quality = quality(std::nullopt);
    return best;
  }
  for (const int votes : settings.votes) {
    const EventQuality q = quality(votes);
    if (!best.votes || q.f1 > best.quality.f1) {
      best.votes = votes;
      best.quality = q;
    }
  }
  return best;
}

AppOptions make_options(const Application& app, double stream_fps, double weight,
                        const CostModel& costs, const ScheduleSettings& settings) {
  AppOptions out{.name = app.name, .weight = weight, .min_f1 = app.min_f1, .options = {}};
  std::vector<Candidate> candidates = app.candidates;
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.frozen < b.frozen; });
  double best = 0;
  for (const double fps : settings.rates) {
    for (const Candidate& c : candidates) {
      Option o = best_votes(app, c, {stream_fps, fps}, settings);
      o.loss = weight * (1 - o.quality.f1);
      o.branch = (costs.total() - costs.prefix(c.frozen)) * fps;
      best = std::max(best, o.quality.f1);
      if (o.quality.f1 >= app.min_f1) out.options.push_back(o);
    }
  }
  if (out.options.empty()) {
    fail(Errc::kConfig, "application ", app.name, " does not fit: min_f1 is ", app.min_f1,
         ", the best of its candidates and rates gives ", best, " at any budget");
  }
  return out;
}

}  // namespace

std::string_view name(Objective objective) {
  return objective == Objective::kMean     ? "mean"
         : objective == Objective::kMaxMin ? "maxmin"
                                           : "weighted";
}

std::vector<double> default_rates(double stream_fps) {
  if (stream_fps < 1) return {stream_fps};
  std::vector<double> rates;
  for (double r = 1; r <= stream_fps; ++r) rates.push_back(r);
  return rates;
}

Problem make_problem(const Workload& workload, const CostModel& costs,
                     const ScheduleSettings& settings) {
  check(settings, costs, workload.stream_fps);
  Problem p{.apps = {}, .settings = settings, .costs = &costs};
  std::vector<double>& rates = p.settings.rates;
  std::sort(rates.begin(), rates.end());
  rates.erase(std::unique(rates.begin(), rates.end()), rates.end());
  const bool weighted = settings.objective == Objective::kWeighted;
  double mean_weight = 0;
  for (const Application& app : workload.apps) {
    mean_weight += (weighted ? app.weight : 1) / static_cast<double>(workload.apps.size());
  }
  for (const Application& app : workload.apps) {
    const double weight = weighted ? app.weight / mean_weight : 1;
    p.apps.push_back(make_options(app, workload.stream_fps, weight, costs, p.settings));
  }
  return p;
}

Problem Problem::filtered(const std::function<bool(std::size_t, const Option&)>& keep) const {
  Problem out = *this;
  for (std::size_t i = 0; i < apps.size(); ++i) {
    std::erase_if(out.apps[i].options, [&](const Option& o) { return !keep(i, o); });
  }
  return out;
}

std::vector<Placement> placements(const Choice& choice) {
  std::vector<Placement> out;
  for (const Option& o : choice) out.push_back(o.place);
  return out;
}

double total_loss(const Choice& choice) {
  double sum = 0;
  for (const Option& o : choice) sum += o.loss;
  return sum;
}

double smallest_f1(const Choice& choice) {
  double least = 1;
  for (const Option& o : choice) least = std::min(least, o.quality.f1);
  return least;
}

double with_slack(double bound) { return bound + kSlack + kRelativeSlack * bound; }

bool fits(const Problem& problem, std::span<const Placement> apps) {
  const ScheduleSettings& s = problem.settings;
  return problem.costs->cost(apps) <= with_slack(s.budget) &&
         (!s.max_latency || problem.costs->latency(apps) <= with_slack(*s.max_latency)) &&
         (!s.max_memory || problem.costs->memory(apps) <= with_slack(*s.max_memory));
}

}  // namespace graft
