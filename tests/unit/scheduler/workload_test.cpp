// SPDX-License-Identifier: Apache-2.0
// Reading applications, the guard against false claims, and plans in JSON and words.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/model/application.h"
#include "scheduler/model/audit.h"
#include "scheduler/plan/schedule.h"
#include "tests/support/fails_with.h"

namespace graft {
namespace {

using testing::fails_with;

constexpr int kLayers = 3;

Json good() {
  return Json::parse(R"({"stream_fps": 10, "budget": 12, "apps": [
    {"name": "bus#1", "event_length_ms": 400, "event_frequency": 0.6, "correlation": 0.6,
     "candidates": [{"frozen": 0, "accuracy": 0.95, "fpr": 0.05},
                    {"frozen": 2, "accuracy": 0.90, "fpr": 0.10}]},
    {"name": "car#2", "event_length_ms": 900, "event_frequency": 0.3, "correlation": 0.1,
     "candidates": [{"frozen": 2, "accuracy": 0.80, "fpr": 0.10}]}]})");
}

Workload parse(const Json& json, EventModel model = EventModel::kText) {
  return read_workload(json.dump(), "apps.json", kLayers, model);
}

TEST(Workload, ReadsWhatIsWritten) {
  const Workload w = parse(good());
  EXPECT_EQ(w.stream_fps, 10);
  EXPECT_EQ(w.budget, 12);
  ASSERT_EQ(w.apps.size(), 2u);
  EXPECT_EQ(w.apps[0].name, "bus#1");
  EXPECT_EQ(w.apps[0].events.length_ms, 400);
  EXPECT_EQ(w.apps[0].candidates[1].frozen, 2);
  EXPECT_EQ(w.apps[0].candidates[1].detector.false_alarm_rate, 0.10);
}

TEST(Workload, RefusesByField) {
  const auto refused = [](const char* pointer, const Json& value, const std::string& field) {
    Json bad = good();
    bad[Json::json_pointer(pointer)] = value;
    return fails_with(Errc::kModel, {"apps.json", field}, [&] { (void)parse(bad); });
  };
  EXPECT_TRUE(refused("/stream_fps", 0, "stream_fps"));
  EXPECT_TRUE(refused("/stream_fps", "10", "stream_fps must be a number"));
  EXPECT_TRUE(refused("/budget", -1, "budget"));
  EXPECT_TRUE(refused("/apps", 3, "apps must be an array"));
  EXPECT_TRUE(refused("/apps/1", 3, "apps[1]"));
  EXPECT_TRUE(refused("/apps/1/event_length_ms", 0, "apps[1].event_length_ms must be above 0"));
  EXPECT_TRUE(refused("/apps/1/event_length_ms", 1e12, "apps[1].event_length_ms"));
  EXPECT_TRUE(refused("/apps/1/event_frequency", 1.01, "apps[1].event_frequency"));
  EXPECT_TRUE(refused("/apps/1/correlation", -0.1, "apps[1].correlation"));
  EXPECT_TRUE(refused("/apps/1/correlation", 1.1, "apps[1].correlation"));
  EXPECT_TRUE(refused("/apps/1/weight", 0, "apps[1].weight"));
  EXPECT_TRUE(refused("/apps/1/min_f1", 2, "apps[1].min_f1"));
  EXPECT_TRUE(refused("/apps/1/name", 7, "apps[1].name"));
  EXPECT_TRUE(refused("/apps/1/name", std::string(600, 'x'), "apps[1].name"));
  EXPECT_TRUE(refused("/apps/0/candidates", Json::array(), "apps[0].candidates is empty"));
  const std::string c = "/apps/0/candidates/1/", named = "apps[0].candidates[1].";
  EXPECT_TRUE(refused((c + "frozen").c_str(), kLayers + 1, named + "frozen"));
  EXPECT_TRUE(refused((c + "frozen").c_str(), 1.5, named + "frozen must be a whole number"));
  EXPECT_TRUE(refused((c + "accuracy").c_str(), 1.5, named + "accuracy"));
  EXPECT_TRUE(refused((c + "fpr").c_str(), -0.5, named + "fpr"));
  EXPECT_TRUE(refused((c + "fpr").c_str(), nullptr, named + "fpr is missing"));
}

TEST(Workload, RefusesEveryMissingField) {
  for (const char* path : {"/stream_fps", "/apps", "/apps/0/name", "/apps/0/event_length_ms",
                           "/apps/0/event_frequency", "/apps/0/correlation", "/apps/0/candidates",
                           "/apps/0/candidates/0/frozen", "/apps/0/candidates/0/accuracy",
                           "/apps/0/candidates/0/fpr"}) {
    const Json::json_pointer pointer(path);
    Json bad = good();
    bad[pointer.parent_pointer()].erase(pointer.back());
    EXPECT_TRUE(
        fails_with(Errc::kModel, {pointer.back() + " is missing"}, [&] { (void)parse(bad); }));
  }
}

TEST(Workload, NotANumberIsNamedByItsKey) {
  std::string text = good().dump();
  text.replace(text.find("0.95"), 4, "NaN");
  EXPECT_TRUE(fails_with(Errc::kModel, {"accuracy"}, [&] {
    (void)read_workload(text, "apps.json", kLayers, EventModel::kText);
  }));
}

TEST(Workload, RefusesAMillionCandidatesEarly) {
  Json bad = good();
  std::string list = "[";
  for (int i = 0; i < 5000; ++i) list += R"({"frozen": 0, "accuracy": 1, "fpr": 0},)";
  list.back() = ']';
  bad["apps"][0]["candidates"] = Json::parse(list);
  EXPECT_TRUE(fails_with(Errc::kModel, {"candidates", "4096"}, [&] { (void)parse(bad); }));
}

/// The recorded fully correlated workloads contain it by a floating end point.
TEST(Workload, CodeVariantReadsTheRecordedCorrelation) {
  Json json = good();
  json["apps"][0]["correlation"] = 1.1;
  EXPECT_EQ(parse(json, EventModel::kCode).apps[0].events.correlation, 1.1);
  json["apps"][0]["correlation"] = 1.2;
  EXPECT_TRUE(
      fails_with(Errc::kModel, {"correlation"}, [&] { (void)parse(json, EventModel::kCode); }));
}

TEST(Schedule, JsonCarriesTheContract) {
  const CostModel costs({1, 1, 1});
  ScheduleRequest request;
  request.settings.budget = 12;
  const Workload w = parse(good());
  const Schedule s = make_schedule(w, costs, request);
  const Json json = schedule_json(s, request);
  for (const char* key :
       {"mean_f1", "min_f1", "cost", "upper_bound_f1", "seconds", "apps", "tree"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  for (const char* key : {"name", "frozen", "fps", "x", "f1", "fnr", "fpr"}) {
    EXPECT_TRUE(json["apps"][0].contains(key)) << key;
  }
  EXPECT_LE(s.cost, 12);
  EXPECT_NEAR(parse_exec_tree(json["tree"], "plan").cost(costs), s.cost, 1e-9);
  EXPECT_EQ(s.objective, s.upper_bound);
  const auto plan = parse_plan(json, "plan");
  ASSERT_EQ(plan.size(), s.apps.size());
  for (std::size_t i = 0; i < plan.size(); ++i) {
    EXPECT_EQ(plan[i].name, s.apps[i].name);
    EXPECT_EQ(plan[i].place.frozen, s.apps[i].place.frozen);
    EXPECT_EQ(plan[i].place.fps, s.apps[i].place.fps);
    EXPECT_EQ(plan[i].votes, s.apps[i].votes);
  }
  Json damaged = json;
  damaged["apps"][0]["fps"] = 0;
  EXPECT_TRUE(fails_with(Errc::kModel, {"plan.json", "apps[0].fps"},
                         [&] { static_cast<void>(parse_plan(damaged, "plan.json")); }));
  const auto words = explain(s, w);
  ASSERT_EQ(words.size(), 3u);
  EXPECT_NE(words[0].find("bus#1: F1 "), std::string::npos);
  EXPECT_NE(words[0].find("gave up"), std::string::npos);
}

TEST(Schedule, AdmitsWhatFits) {
  const CostModel costs({1, 1, 1});
  ScheduleRequest request;
  request.settings.budget = 3.5;
  const Workload w = parse(good());
  EXPECT_TRUE(fails_with(Errc::kConfig, {"cost 4 (budget 3.5)", "bus#1 would fit"},
                         [&] { (void)make_schedule(w, costs, request); }));
  request.admit = true;
  const Schedule s = make_schedule(w, costs, request);
  ASSERT_EQ(s.apps.size(), 1u);
  EXPECT_EQ(s.apps[0].name, "bus#1");
  EXPECT_EQ(s.rejected, std::vector<std::string>{"car#2"});
}

TEST(Schedule, WithoutSharingEveryApplicationPaysForItsWholeNetwork) {
  const CostModel costs({1, 1, 1});
  ScheduleRequest request;
  request.settings.budget = 12;
  request.method = parse_method("nosharing");
  Workload w = parse(good());
  for (Application& app : w.apps) {
    std::erase_if(app.candidates, [](const Candidate& c) { return c.frozen == 0; });
    ASSERT_FALSE(app.candidates.empty());
  }
  const Schedule s = make_schedule(w, costs, request);
  double paid = 0;
  for (const ScheduledApp& app : s.apps) {
    EXPECT_GT(app.place.frozen, 0);
    paid += 3 * app.place.fps;
  }
  EXPECT_NEAR(s.cost, paid, 1e-9);
  EXPECT_LE(paid, 12);
  EXPECT_NEAR(s.tree.cost(costs), paid, 1e-9);
  request.method = parse_method("exact");
  EXPECT_GE(s.upper_bound, make_schedule(w, costs, request).objective) << "sharing may be better";
}

TEST(Audit, RateIntervalIsClopperPearson) {
  const RateInterval r = rate_interval(8, 100, 0.95);
  EXPECT_NEAR(r.low, 0.035171, 1e-6);
  EXPECT_NEAR(r.high, 0.151557, 1e-6);
  EXPECT_EQ(rate_interval(0, 10, 0.95).low, 0);
  EXPECT_NEAR(rate_interval(0, 10, 0.95).high, 0.308497, 1e-6);
  EXPECT_EQ(rate_interval(10, 10, 0.95).high, 1);
}

TEST(Audit, FlagsClaimsThatAgreementRulesOut) {
  const Workload w = parse(good());
  const auto verdict = [&](std::int64_t disagreements) {
    const std::vector<Agreement> seen = {{.app = "bus#1",
                                          .frozen_a = 0,
                                          .frozen_b = 2,
                                          .frames = 2000,
                                          .disagreements = disagreements}};
    return audit(w, seen, 0.99).at(0);
  };
  // Claimed: 0.95 and 0.90; they must disagree on 0.05 to 0.15 of the frames.
  EXPECT_EQ(verdict(40).verdict, AuditVerdict::kTooAlike);
  EXPECT_EQ(verdict(200).verdict, AuditVerdict::kConsistent);
  EXPECT_EQ(verdict(400).verdict, AuditVerdict::kTooDifferent);
  EXPECT_NE(describe(verdict(40)).find("would need at least 0.0500"), std::string::npos);
  EXPECT_NE(describe(verdict(400)).find("allow at most 0.1500"), std::string::npos);
  EXPECT_TRUE(fails_with(Errc::kModel, {"no application x"},
                         [&] { (void)audit(w, {{.app = "x", .frames = 1}}, 0.99); }));
}

}  // namespace
}  // namespace graft
