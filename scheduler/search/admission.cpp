// SPDX-License-Identifier: Apache-2.0
#include "scheduler/search/admission.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/core/text.h"
#include "scheduler/search/exact.h"
#include "scheduler/search/resources.h"

namespace graft {
namespace {

std::string names(const Problem& problem, const std::vector<std::size_t>& index) {
  constexpr std::size_t kShown = 10;
  std::vector<std::string> out;
  for (const std::size_t i : index) {
    if (out.size() == kShown) {
      out.push_back(fmt::format("and {} more", index.size() - kShown));
      break;
    }
    out.emplace_back(problem.apps[i].name);
  }
  return join(out, ", ");
}

/// The least that the applications take of each bounded quantity.
std::string least_uses(const Problem& problem) {
  const auto& s = problem.settings;
  const auto least = [&](std::size_t d) { return placements(cheapest(problem, d)); };
  std::string out =
      fmt::format("cost {:.6g} (budget {:.6g})", problem.costs->cost(least(0)), s.budget);
  std::size_t d = 1;
  if (s.max_latency) {
    out += fmt::format(", latency {:.6g} (at most {:.6g})", problem.costs->latency(least(d++)),
                       *s.max_latency);
  }
  if (s.max_memory) {
    out += fmt::format(", memory {:.6g} (at most {:.6g})", problem.costs->memory(least(d)),
                       *s.max_memory);
  }
  return out;
}

}  // namespace

bool is_feasible(const Problem& problem) {
  for (const AppOptions& app : problem.apps) {
    if (app.options.empty()) return false;
  }
  if (!problem.settings.max_latency && !problem.settings.max_memory) {
    return fits(problem, placements(cheapest(problem)));
  }
  return solve_exact(problem).has_value();
}

Problem subset(const Problem& problem, const std::vector<std::size_t>& index) {
  Problem out{.apps = {}, .settings = problem.settings, .costs = problem.costs};
  for (const std::size_t i : index) out.apps.push_back(problem.apps[i]);
  return out;
}

Admission admit(const Problem& problem) {
  Admission out;
  for (std::size_t i = 0; i < problem.apps.size(); ++i) {
    out.admitted.push_back(i);
    if (is_feasible(subset(problem, out.admitted))) continue;
    out.admitted.pop_back();
    out.rejected.push_back(i);
  }
  return out;
}

std::string describe_refusal(const Problem& problem) {
  const Admission a = admit(problem);
  std::string out = fmt::format(
      "no schedule of the {} applications is within the bounds: they take at least {}; ",
      problem.apps.size(), least_uses(problem));
  if (a.admitted.empty()) {
    out += "not one of them fits alone";
  } else {
    out += fmt::format("{} would fit, {} not beside them", names(problem, a.admitted),
                       names(problem, a.rejected));
  }
  return out +
         "; raise the bounds, offer lower --rates or more frozen layers, or --admit those that fit";
}

}  // namespace graft
