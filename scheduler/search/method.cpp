// SPDX-License-Identifier: Apache-2.0
#include "scheduler/search/method.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "scheduler/search/enumerate.h"
#include "scheduler/search/exact.h"
#include "scheduler/search/greedy.h"
#include "scheduler/search/maxmin.h"

namespace graft {
namespace {

constexpr std::string_view kStaticPrefix = "static:";

constexpr std::array<std::pair<std::string_view, MethodKind>, 9> kMethods = {{
    {"exact", MethodKind::kExact},
    {"greedy", MethodKind::kGreedy},
    {"greedy-code", MethodKind::kGreedyCode},
    {"stems", MethodKind::kStems},
    {"exhaustive", MethodKind::kExhaustive},
    {"nosharing", MethodKind::kNoSharing},
    {"maxsharing", MethodKind::kMaxSharing},
    {"static:K", MethodKind::kStatic},
    {"independent", MethodKind::kIndependent},
}};

/// Frozen layers of the first (fewest) or last (most) candidate of an application.
int extreme_frozen(const AppOptions& app, bool most) {
  const auto by_frozen = [](const Option& a, const Option& b) {
    return a.place.frozen < b.place.frozen;
  };
  const auto [fewest, deepest] =
      std::minmax_element(app.options.begin(), app.options.end(), by_frozen);
  return (most ? deepest : fewest)->place.frozen;
}

std::optional<Choice> minimise_loss(const Problem& problem, const Solver& solver) {
  return problem.settings.objective == Objective::kMaxMin ? maximise_minimum(problem, solver)
                                                          : solver(problem);
}

}  // namespace

Method parse_method(std::string_view text) {
  if (text.starts_with(kStaticPrefix)) {
    const auto frozen = parse_int(text.substr(kStaticPrefix.size()));
    if (!frozen || *frozen < 0 || *frozen > std::numeric_limits<int>::max()) {
      fail(Errc::kUsage, "method: ", text, ": static:K expects a number of frozen layers");
    }
    return {MethodKind::kStatic, static_cast<int>(*frozen)};
  }
  for (const auto& [method, kind] : kMethods) {
    if (method == text && kind != MethodKind::kStatic) return {kind, 0};
  }
  fail(Errc::kUsage, "method: there is no '", text, "'", did_you_mean(text, method_names()));
}

std::vector<std::string> method_names() {
  std::vector<std::string> out;
  for (const auto& [method, kind] : kMethods) out.emplace_back(method);
  return out;
}

std::vector<double> default_rates(const Method& method, double stream_fps) {
  std::vector<double> rates = default_rates(stream_fps);
  if (method.kind != MethodKind::kNoSharing) return rates;
  for (int tenths = 1; tenths < 10 && tenths / 10.0 <= stream_fps; ++tenths) {
    rates.push_back(tenths / 10.0);
  }
  std::sort(rates.begin(), rates.end());
  return rates;
}

Problem restricted(const Problem& problem, const Method& method) {
  if (method.kind == MethodKind::kNoSharing || method.kind == MethodKind::kMaxSharing) {
    std::vector<int> frozen;
    for (const AppOptions& app : problem.apps) {
      frozen.push_back(extreme_frozen(app, method.kind == MethodKind::kMaxSharing));
    }
    return problem.filtered(
        [&](std::size_t i, const Option& o) { return o.place.frozen == frozen[i]; });
  }
  if (method.kind != MethodKind::kStatic) return problem;
  Problem out = problem.filtered(
      [&](std::size_t, const Option& o) { return o.place.frozen == method.frozen; });
  for (const AppOptions& app : out.apps) {
    if (app.options.empty()) {
      fail(Errc::kConfig, "method static:", method.frozen, ": application ", app.name,
           " has no candidate with ", method.frozen, " frozen layers");
    }
  }
  return out;
}

std::optional<Choice> solve(const Problem& problem, const Method& method) {
  const Problem own = restricted(problem, method);
  switch (method.kind) {
    case MethodKind::kExact:
    case MethodKind::kStatic:
      return minimise_loss(own, solve_exact);
    case MethodKind::kStems:
      return minimise_loss(own, solve_stems);
    case MethodKind::kExhaustive:
      return solve_exhaustive(own);
    case MethodKind::kGreedy:
      return solve_greedy(own);
    case MethodKind::kIndependent:
      return solve_independent(own);
    case MethodKind::kGreedyCode:
    case MethodKind::kNoSharing:
    case MethodKind::kMaxSharing:
      break;
  }
  Choice choice = solve_greedy_code(own);
  if (!fits(own, placements(choice))) return std::nullopt;
  return choice;
}

double objective_bound(const Problem& problem) {
  if (problem.settings.objective == Objective::kMaxMin) return best_minimum(problem).value_or(0);
  return 1 - loss_bound(problem) / static_cast<double>(problem.apps.size());
}

}  // namespace graft
