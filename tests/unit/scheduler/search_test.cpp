// SPDX-License-Identifier: Apache-2.0
// The methods against exhaustive search and against each other.
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/search/admission.h"
#include "scheduler/search/enumerate.h"
#include "scheduler/search/exact.h"
#include "scheduler/search/greedy.h"
#include "scheduler/search/maxmin.h"
#include "scheduler/search/method.h"
#include "tests/support/fails_with.h"
#include "tests/unit/scheduler/recorded.h"

namespace graft {
namespace {

using testing::fails_with;
using testing::random_problem;

constexpr double kSame = 1e-9;

class RandomInstances : public ::testing::TestWithParam<EventModel> {
 protected:
  /// Calls f(id, problem, exhaustive optimum) for `n` small instances.
  template <class F>
  void each(std::uint64_t n, Objective objective, F&& f) {
    for (std::uint64_t id = 0; id < n; ++id) {
      auto r = random_problem(id, 1 + static_cast<int>(id % 3), 3, GetParam());
      r.settings.objective = objective;
      for (std::size_t i = 0; i < r.workload.apps.size(); ++i) {
        r.workload.apps[i].weight = 1 + static_cast<double>(i);
      }
      const Problem p = make_problem(r.workload, r.costs, r.settings);
      f(id, p, solve_exhaustive(p));
    }
  }
};

TEST_P(RandomInstances, ExactEqualsExhaustive) {
  int feasible = 0;
  each(700, Objective::kMean, [&](auto id, const Problem& p, const auto& best) {
    const auto exact = solve_exact(p);
    ASSERT_EQ(exact.has_value(), best.has_value()) << id;
    EXPECT_EQ(is_feasible(p), best.has_value()) << id;
    if (!best) return;
    ++feasible;
    EXPECT_TRUE(fits(p, placements(*exact))) << id;
    EXPECT_NEAR(total_loss(*exact), total_loss(*best), kSame) << id;
    EXPECT_LE(loss_bound(p), total_loss(*best) + kSame) << id;
  });
  EXPECT_GT(feasible, 300);
}

TEST_P(RandomInstances, WeightedExactEqualsExhaustive) {
  each(300, Objective::kWeighted, [&](auto id, const Problem& p, const auto& best) {
    if (!best) return;
    EXPECT_NEAR(total_loss(solve_exact(p).value()), total_loss(*best), kSame) << id;
  });
}

TEST_P(RandomInstances, StemsEqualExhaustive) {
  each(300, Objective::kMean, [&](auto id, const Problem& p, const auto& best) {
    const auto stems = solve_stems(p);
    ASSERT_EQ(stems.has_value(), best.has_value()) << id;
    if (!best) return;
    EXPECT_NEAR(total_loss(*stems), total_loss(*best), kSame) << id;
  });
}

TEST_P(RandomInstances, MaxMinIsExactInBothOfItsParts) {
  each(300, Objective::kMaxMin, [&](auto id, const Problem& p, const auto& best) {
    const auto fair = maximise_minimum(p, solve_exact);
    ASSERT_EQ(fair.has_value(), best.has_value()) << id;
    if (!best) return;
    EXPECT_NEAR(smallest_f1(*fair), smallest_f1(*best), kSame) << id;
    EXPECT_NEAR(total_loss(*fair), total_loss(*best), kSame) << id;
    EXPECT_NEAR(best_minimum(p).value(), smallest_f1(*best), kSame) << id;
  });
}

TEST_P(RandomInstances, ExactEqualsExhaustiveUnderBoundsOfLatencyAndMemory) {
  int binding = 0;
  each(500, Objective::kMean, [&](auto id, Problem p, const auto& unbounded) {
    if (!unbounded) return;
    const auto places = placements(*unbounded);
    std::vector<double> bytes;
    for (int l = 0; l < p.costs->n_layers(); ++l) bytes.push_back((l * 7 + 3) % 5);
    std::vector<double> layers;
    for (int l = 0; l < p.costs->n_layers(); ++l) {
      layers.push_back(p.costs->prefix(l + 1) - p.costs->prefix(l));
    }
    const CostModel costs(layers, "", bytes);
    p.costs = &costs;
    if (id % 2 == 0) p.settings.max_latency = 0.8 * costs.latency(places);
    if (id % 3 != 1) p.settings.max_memory = 0.8 * costs.memory(places);
    const auto best = solve_exhaustive(p), exact = solve_exact(p);
    ASSERT_EQ(exact.has_value(), best.has_value()) << id;
    if (!best) return;
    EXPECT_TRUE(fits(p, placements(*exact))) << id;
    EXPECT_NEAR(total_loss(*exact), total_loss(*best), kSame) << id;
    binding += total_loss(*best) > total_loss(*unbounded) + kSame ? 1 : 0;
  });
  EXPECT_GT(binding, 30);
}

TEST_P(RandomInstances, NoMethodBeatsExactOrLeavesTheBounds) {
  each(300, Objective::kMean, [&](auto id, const Problem& p, const auto& best) {
    for (const char* name : {"greedy", "greedy-code", "independent", "nosharing", "maxsharing"}) {
      const auto got = solve(p, parse_method(name));
      if (!got) continue;
      ASSERT_TRUE(best) << name << id;
      EXPECT_TRUE(fits(p, placements(*got))) << name << id;
      EXPECT_GE(total_loss(*got), total_loss(*best) - kSame) << name << id;
    }
    if (best) {
      EXPECT_TRUE(solve_greedy(p)) << id;
      EXPECT_TRUE(solve_independent(p)) << id;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Models, RandomInstances,
                         ::testing::Values(EventModel::kText, EventModel::kCode),
                         [](const auto& p) { return std::string(name(p.param)); });

/// Two applications that differ in one candidate; a budget for both.
Workload two_apps() {
  Workload w;
  w.stream_fps = 4;
  w.apps.push_back({"a", {1000, 0.5, 0}, {{0, {0.9, 0.1}}, {2, {0.8, 0.1}}}});
  w.apps.push_back({"b", {1000, 0.5, 0}, {{0, {0.95, 0.05}}, {2, {0.6, 0.2}}}});
  return w;
}

Problem make(const Workload& w, const CostModel& costs, double budget) {
  ScheduleSettings s;
  s.budget = budget;
  s.rates = {1, 2, 4};
  return make_problem(w, costs, s);
}

TEST(Scheduler, ABudgetThatIsMetExactlyIsMet) {
  // 0.1 + 0.2 is not 0.3 in binary.
  const CostModel costs({0.1, 0.2});
  Workload w = two_apps();
  w.apps.pop_back();
  const Problem p = make(w, costs, 0.3);
  ASSERT_TRUE(solve_exact(p));
  EXPECT_EQ(solve_exact(p)->front().place.fps, 1);
  EXPECT_FALSE(solve_exact(make(w, costs, 0.2999999)));
}

TEST(Scheduler, NothingToSchedule) {
  const CostModel costs({1, 2});
  Workload w = two_apps();
  w.apps.clear();
  for (const std::string& name : method_names()) {
    if (name == "static:K") continue;
    const auto got = solve(make(w, costs, 0), parse_method(name));
    ASSERT_TRUE(got) << name;
    EXPECT_TRUE(got->empty()) << name;
  }
}

TEST(Scheduler, FreeLayersNeedNoBudget) {
  const CostModel costs({0, 0, 0});
  const auto got = solve_exact(make(two_apps(), costs, 0));
  ASSERT_TRUE(got);
  EXPECT_NEAR(total_loss(*got), total_loss(*solve_exhaustive(make(two_apps(), costs, 0))), kSame);
}

TEST(Scheduler, AdmissionNamesWhatFits) {
  const CostModel costs({1, 1, 1});
  const Workload w = two_apps();
  // Sharing two layers: 2 + 1 + 1 at 1 frame/s.
  EXPECT_TRUE(is_feasible(make(w, costs, 4)));
  const Problem p = make(w, costs, 3.5);
  EXPECT_FALSE(is_feasible(p));
  const Admission a = admit(p);
  EXPECT_EQ(a.admitted, std::vector<std::size_t>{0});
  EXPECT_EQ(a.rejected, std::vector<std::size_t>{1});
  const std::string words = describe_refusal(p);
  EXPECT_NE(words.find("cost 4 (budget 3.5)"), std::string::npos) << words;
  EXPECT_NE(words.find("a would fit, b not"), std::string::npos) << words;
}

TEST(Scheduler, AnApplicationsLeastF1Holds) {
  const CostModel costs({1, 1, 1});
  Workload w = two_apps();
  w.apps[1].min_f1 = 0.8;
  const auto got = solve_exact(make(w, costs, 12));
  ASSERT_TRUE(got);
  EXPECT_GE(got->at(1).quality.f1, 0.8);
  w.apps[1].min_f1 = 0.999;
  EXPECT_TRUE(
      fails_with(Errc::kConfig, {"application b", "0.999"}, [&] { (void)make(w, costs, 12); }));
}

TEST(Scheduler, RefusesByName) {
  const CostModel costs({1, 1, 1});
  EXPECT_TRUE(
      fails_with(Errc::kUsage, {"greedyy", "greedy"}, [] { (void)parse_method("greedyy"); }));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"static:K"}, [] { (void)parse_method("static:x"); }));
  const Problem p = make(two_apps(), costs, 100);
  EXPECT_TRUE(fails_with(Errc::kConfig, {"static:1", "application a"},
                         [&] { (void)restricted(p, parse_method("static:1")); }));
  ScheduleSettings s;
  s.rates = {1, 5};
  EXPECT_TRUE(
      fails_with(Errc::kConfig, {"rates", "5"}, [&] { (void)make_problem(two_apps(), costs, s); }));
  s.rates = {1};
  s.max_memory = 1;
  EXPECT_TRUE(
      fails_with(Errc::kConfig, {"max-memory"}, [&] { (void)make_problem(two_apps(), costs, s); }));
}

TEST(Scheduler, BoundOfHeuristicsIsAboveTheOptimum) {
  for (std::uint64_t id = 0; id < 100; ++id) {
    const auto r = random_problem(id, 4, 3, EventModel::kText);
    const Problem p = make_problem(r.workload, r.costs, r.settings);
    const auto best = solve_exact(p);
    if (!best) continue;
    const double f1 = 1 - total_loss(*best) / static_cast<double>(best->size());
    EXPECT_GE(objective_bound(p), f1 - kSame) << id;
  }
}

}  // namespace
}  // namespace graft
