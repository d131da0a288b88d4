// SPDX-License-Identifier: Apache-2.0
// Against the authors' recorded schedules and the optima that were computed for their workloads.
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "scheduler/search/enumerate.h"
#include "scheduler/search/exact.h"
#include "scheduler/search/greedy.h"
#include "scheduler/search/method.h"
#include "tests/unit/scheduler/recorded.h"

namespace graft {
namespace {

using testing::have_recorded;

// Columns of a recorded schedule.
enum Column {
  kExp,
  kScheduler,
  kMode,
  kBudget,
  kWorkload,
  kCorrelation,
  kFrozen,
  kFps,
  kLoss,
  kMeanF1,
  kFnr,
  kFpr,
  kCost
};

class RecordedSchedule : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!have_recorded()) GTEST_SKIP() << "no ../shared/oracles/mainstream";
    static const Json file = testing::recorded_file("schedules_public.json");
    all = &file;
  }

  [[nodiscard]] Workload workload(const Json& row) const {
    return testing::recorded_workload(all->at("workloads").at(row[kWorkload].get<std::string>()),
                                      curves, row[kCorrelation]);
  }

  [[nodiscard]] Problem problem(const Workload& w, double budget, const Method& method) const {
    ScheduleSettings s = testing::recorded_settings(budget, w.stream_fps);
    s.rates = default_rates(method, w.stream_fps);
    return make_problem(w, costs, s);
  }

  const Json* all = nullptr;
  testing::Curves curves = have_recorded() ? testing::recorded_curves() : testing::Curves{};
  CostModel costs = have_recorded() ? testing::recorded_costs() : CostModel({1});
};

TEST_F(RecordedSchedule, EvaluatesToTheRecordedObjective) {
  double worst_loss = 0, worst_rates = 0, worst_cost = 0;
  for (const Json& row : all->at("schedules")) {
    const Workload w = workload(row);
    std::vector<Placement> places;
    double loss = 0, fnr = 0, fpr = 0;
    for (std::size_t i = 0; i < w.apps.size(); ++i) {
      places.push_back({row[kFrozen][i].get<int>(), row[kFps][i].get<double>()});
      for (const Candidate& c : w.apps[i].candidates) {
        if (c.frozen != places[i].frozen) continue;
        const EventQuality q = event_quality(w.apps[i].events, c.detector,
                                             {w.stream_fps, places[i].fps}, {}, EventModel::kCode);
        loss += 1 - q.f1;
        fnr += 1 - q.recall;
        fpr += 1 - q.precision;
      }
    }
    const auto n = static_cast<double>(w.apps.size());
    worst_loss = std::max(worst_loss, std::fabs(loss / n - row[kLoss].get<double>()));
    if (!row[kFnr].is_null()) {
      worst_rates = std::max({worst_rates, std::fabs(fnr / n - row[kFnr].get<double>()),
                              std::fabs(fpr / n - row[kFpr].get<double>())});
    }
    if (!row[kCost].is_null()) {
      worst_cost = std::max(worst_cost, std::fabs(costs.cost(places) - row[kCost].get<double>()));
    }
  }
  EXPECT_EQ(all->at("schedules").size(), 12203u);
  EXPECT_LT(worst_loss, 1e-6);
  EXPECT_LT(worst_rates, 6e-5);  // four digits are recorded
  EXPECT_LT(worst_cost, 6e-4);
}

TEST_F(RecordedSchedule, VotingEvaluatesToTheRecordedRates) {
  const testing::Curves february = testing::recorded_curves_of_february();
  const std::map<std::string, EventStatistics> events = {{"train", {500, 0.0138, 0.125}},
                                                         {"pedestrian", {500, 0.3, 0.107}}};
  double worst = 0;
  for (const Json& row : all->at("xvote").at("rows")) {
    double fnr = 0, fpr = 0;
    const std::size_t n = row[4].size();
    for (std::size_t i = 0; i < n; ++i) {
      for (const Candidate& c : february.at(row[0].get<std::string>())) {
        if (c.frozen != row[4][i].get<int>()) continue;
        const EventQuality q =
            event_quality(events.at(row[0].get<std::string>()), c.detector,
                          {15, row[5][i].get<double>()}, row[1].get<int>(), EventModel::kCode);
        fnr += (1 - q.recall) / static_cast<double>(n);
        fpr += (1 - q.precision) / static_cast<double>(n);
      }
    }
    worst = std::max(
        {worst, std::fabs(fnr - row[6].get<double>()), std::fabs(fpr - row[7].get<double>())});
  }
  EXPECT_LT(worst, 6e-5);
}

/// Every recorded greedy schedule of up to kApps applications (the rest: bench/paper).
TEST_F(RecordedSchedule, GreedyCodeReproducesTheAuthorsGreedy) {
  constexpr std::size_t kApps = 8;
  const std::map<std::string, Method> modes = {{"mainstream", {MethodKind::kGreedyCode, 0}},
                                               {"nosharing", {MethodKind::kNoSharing, 0}},
                                               {"maxsharing", {MethodKind::kMaxSharing, 0}}};
  std::size_t rows = 0, other_schedule = 0;
  for (const Json& row : all->at("schedules")) {
    if (row[kScheduler] != "greedy" || row[kExp] != "050318" || row[kFrozen].size() > kApps)
      continue;
    const Workload w = workload(row);
    const Method method = modes.at(row[kMode].get<std::string>());
    const Problem p = problem(w, row[kBudget].get<double>(), method);
    const Choice got = solve_greedy_code(restricted(p, method));
    bool same = true;
    for (std::size_t i = 0; i < got.size(); ++i) {
      same = same && got[i].place.frozen == row[kFrozen][i].get<int>() &&
             std::fabs(got[i].place.fps - row[kFps][i].get<double>()) < 1e-9;
    }
    ++rows;
    other_schedule += same ? 0 : 1;
    EXPECT_NEAR(total_loss(got) / static_cast<double>(got.size()), row[kLoss].get<double>(), 1e-6)
        << row.dump();
  }
  EXPECT_GT(rows, 3000u);
  RecordProperty("rows", static_cast<int>(rows));
  RecordProperty("other_schedule", static_cast<int>(other_schedule));
}

TEST_F(RecordedSchedule, ExactEqualsEveryOptimumOfSmallWorkloads) {
  constexpr std::size_t kApps = 5;
  std::map<std::pair<std::string, double>, double> found;
  double worst = 0;
  for (const Json& row : all->at("optimum_computed").at("rows")) {
    const Json& definition = all->at("workloads").at(row[0].get<std::string>());
    if (definition[2].size() > kApps) continue;
    const Workload w = testing::recorded_workload(definition, curves);
    const auto choice = solve_exact(problem(w, row[1].get<double>(), {}));
    ASSERT_TRUE(choice);
    const double loss = total_loss(*choice) / static_cast<double>(w.apps.size());
    found[{row[0].get<std::string>(), row[1].get<double>()}] = loss;
    worst = std::max(worst, std::fabs(loss - row[2].get<double>()));
  }
  EXPECT_LT(worst, 2e-9);
  EXPECT_GT(found.size(), 1500u);
  for (const Json& row : all->at("schedules")) {
    if (row[kMode] != "mainstream" || !row[kCorrelation].is_null()) continue;
    const auto at = found.find({row[kWorkload].get<std::string>(), row[kBudget].get<double>()});
    if (at == found.end()) continue;
    EXPECT_GE(row[kLoss].get<double>(), at->second - 1e-6);
    if (row[kScheduler] == "stems_cpp" || row[kScheduler] == "exhaustive") {
      EXPECT_NEAR(row[kLoss].get<double>(), at->second, 1e-6);
    }
  }
}

/// The workload on which two of the authors' programs miss the optimum.
TEST_F(RecordedSchedule, RegressionWorkload) {
  const Workload w = testing::recorded_workload(all->at("workloads").at("02feb2b5.v1"), curves);
  const auto choice = solve_exact(problem(w, 100, {}));
  ASSERT_TRUE(choice);
  EXPECT_NEAR(total_loss(*choice) / static_cast<double>(w.apps.size()), 0.202402, 1e-6);
}

}  // namespace
}  // namespace graft
