// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/table_json.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/report/runs.h"

namespace graft::report {
namespace {

using graft::testing::run_of;

/// Two seeds of 6 s an epoch; the mean final error is 0.2.
Group traditional() {
  return {.label = "traditional",
          .baseline = true,
          .runs = {run_of({{6, .50, 1000, 3000},
                           {6, .30, 1000, 3000},
                           {6, .22, 1000, 3000},
                           {6, .19, 1000, 3000}}),
                   run_of({{6, .50, 1000, 3000},
                           {6, .40, 1000, 3000},
                           {6, .23, 1000, 3000},
                           {6, .21, 1000, 3000}})}};
}

/// A priming epoch, then two cheap epochs and a dear one, as StaleSB has.
Group stale() {
  return {.label = "stale staleness=3",
          .baseline = false,
          .runs = {run_of({{6, .60, 1000, 3000},
                           {3, .27, 300, 900, .01},
                           {3, .40, 300, 900, .03},
                           {6, .20, 300, 1900, .05}})}};
}

const Json& arm(const Json& table, std::size_t i) { return table.at("arms").at(i); }

TEST(TableJson, ErrorsAreMeanAndSpreadOfTheFinalOnes) {
  const Json t = table_json(std::vector<Group>{traditional(), stale()});
  EXPECT_EQ(t.at("baseline"), "traditional");
  EXPECT_EQ(arm(t, 0).at("arm"), "traditional");
  EXPECT_EQ(arm(t, 0).at("n"), 2);
  EXPECT_DOUBLE_EQ(arm(t, 0).at("test_error_mean"), .2);
  EXPECT_NEAR(arm(t, 0).at("test_error_sd"), std::sqrt(2) * .01, 1e-15);
  EXPECT_NEAR(arm(t, 0).at("test_error_half_width_95"), 12.7062047 * .01, 1e-8);
  EXPECT_DOUBLE_EQ(arm(t, 0).at("best_error_mean"), .2);
  EXPECT_EQ(arm(t, 1).at("test_error_sd"), 0);
}

TEST(TableJson, SecondsLeaveOutPrimingEvaluationAndTheRest) {
  const Json t = table_json(std::vector<Group>{traditional(), stale()});
  EXPECT_DOUBLE_EQ(arm(t, 0).at("seconds_per_epoch"), 6);
  EXPECT_DOUBLE_EQ(arm(t, 0).at("run_seconds"), 24);
  EXPECT_DOUBLE_EQ(arm(t, 1).at("seconds_per_epoch"), 4) << "the mean, fresh epochs included";
  EXPECT_DOUBLE_EQ(arm(t, 1).at("seconds_per_epoch_median"), 3);
  EXPECT_DOUBLE_EQ(arm(t, 1).at("seconds_ratio"), 4. / 6);
  EXPECT_DOUBLE_EQ(arm(t, 1).at("run_seconds_ratio"), 18. / 24);
  EXPECT_DOUBLE_EQ(arm(t, 1).at("cost_units_ratio"), 6700. / 12000);
  EXPECT_DOUBLE_EQ(arm(t, 1).at("seconds").at("backward"), 12);
  EXPECT_DOUBLE_EQ(arm(t, 1).at("seconds").at("other"), 40);
  EXPECT_TRUE(t.at("seconds_basis").is_string());
}

TEST(TableJson, KeptFractionAndFlipRate) {
  const Json t = table_json(std::vector<Group>{traditional(), stale()});
  EXPECT_DOUBLE_EQ(arm(t, 0).at("kept_fraction"), 1);
  EXPECT_DOUBLE_EQ(arm(t, 1).at("kept_fraction"), .3);
  EXPECT_TRUE(arm(t, 0).at("flip_rate").is_null()) << "not measured";
  EXPECT_DOUBLE_EQ(arm(t, 1).at("flip_rate"), .03);
}

TEST(TableJson, SamplerSaysHowManyEpochsPrime) {
  Group g = stale();
  g.runs[0].sampler = {{"prime_epochs", 3}};
  EXPECT_DOUBLE_EQ(arm(table_json(std::vector<Group>{g}), 0).at("seconds_per_epoch"), 6);
  g.runs[0].epochs.resize(1);  // a run that has only primed shows that
  EXPECT_DOUBLE_EQ(arm(table_json(std::vector<Group>{g}), 0).at("seconds_per_epoch"), 6);
}

TEST(TableJson, CrossingsOfMultiplesOfTheBaselinesError) {
  const Json t = table_json(std::vector<Group>{traditional(), stale()});
  // Targets .22, .24 and .28; the seeds of traditional reach them after 18 and 24, 18, 18 s.
  EXPECT_DOUBLE_EQ(arm(t, 0).at("time_to_1.1x"), 21);
  EXPECT_DOUBLE_EQ(arm(t, 0).at("time_to_1.2x"), 18);
  EXPECT_DOUBLE_EQ(arm(t, 0).at("updates_to_1.1x"), 35);
  EXPECT_DOUBLE_EQ(arm(t, 0).at("cost_to_1.4x"), 9000);
  EXPECT_DOUBLE_EQ(arm(t, 0).at("speedup_to_1.2x"), 1);
  // Medians of three epochs of stale: .40, .27.
  EXPECT_DOUBLE_EQ(arm(t, 1).at("time_to_1.2x"), 18);
  EXPECT_DOUBLE_EQ(arm(t, 1).at("time_to_1.4x"), 9);
  EXPECT_DOUBLE_EQ(arm(t, 1).at("median3_time_to_1.4x"), 18);
  EXPECT_TRUE(arm(t, 1).at("median3_time_to_1.2x").is_null());
  EXPECT_DOUBLE_EQ(arm(t, 1).at("speedup_to_1.4x"), 2);
  EXPECT_DOUBLE_EQ(arm(t, 1).at("backprops_to_1.2x"), 1900);
  EXPECT_EQ(arm(t, 1).at("runs_to_1.4x"), 1);
}

TEST(TableJson, TargetThatOnlySomeSeedsReachSaysSo) {
  Group g = traditional();
  g.baseline = false;
  g.runs[1].epochs.resize(2);
  const Json t = table_json(std::vector<Group>{traditional(), g});
  EXPECT_EQ(arm(t, 1).at("runs_to_1.2x"), 1);
  EXPECT_DOUBLE_EQ(arm(t, 1).at("time_to_1.2x"), 18);
}

TEST(TableJson, WithoutABaselineRatiosAreNull) {
  const Json t = table_json(std::vector<Group>{stale()});
  for (const char* key : {"seconds_ratio", "cost_units_ratio", "time_to_1.2x", "speedup_to_1.4x"}) {
    EXPECT_TRUE(arm(t, 0).at(key).is_null()) << key;
  }
  EXPECT_TRUE(t.at("baseline").is_null());
  EXPECT_EQ(table_json({}).at("arms"), Json::array());
}

TEST(TableJson, ErrorThatIsNotANumberIsNull) {
  Group g = stale();
  g.runs[0].epochs.back().test_error = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(arm(table_json(std::vector<Group>{g}), 0).at("test_error_mean").is_null());
}

}  // namespace
}  // namespace graft::report
