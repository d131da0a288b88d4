// SPDX-License-Identifier: Apache-2.0
#include "runtime/dispatch/simulate.h"

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "tests/support/fails_with.h"

namespace graft::dispatch {
namespace {

using graft::testing::fails_with;

/// Exact counts of another program; tests/oracle/README.md.
TEST(DispatchSimulate, MatchesEveryRecordedCase) {
  const std::string path = GRAFT_ORACLE_DIR "/edge_sched.json";
  const Json file = parse_json(read_file(path), path);
  const auto cases = parse_cases(file, path);
  ASSERT_EQ(cases.size(), 43U);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(to_json(simulate(cases[i]), cases[i].seconds), file.at("cases").at(i).at("result"))
        << cases[i].id;
  }
}

/// What section 5 of hyperparameters.md derives: an engine without a queue keeps one of every
/// ceil(lambda / mu) frames.
TEST(DispatchSimulate, KeepsTheLawOfDropsWithoutAQueue) {
  for (const double mu : {2.5, 3.0, 4.5, 7.0, 13.9}) {
    for (int n = 1; n <= 3; ++n) {
      SimulationCase c{.id = "law",
                       .mu = std::vector<double>(static_cast<std::size_t>(n), mu),
                       .lambda = 14,
                       .seconds = 600,
                       .dispatch = {.queue = {.capacity = 0}}};
      const auto result = simulate(c);
      const double every = std::ceil(14 / mu);
      const double sigma = n >= every ? 14 : n * 14 / every;
      EXPECT_NEAR(result.sigma_fps(c.seconds), sigma, 0.005 * sigma) << mu << " x " << n;
      EXPECT_EQ(result.longest_drop_burst,
                std::max<std::int64_t>(0, static_cast<std::int64_t>(every) - n));
    }
  }
}

TEST(DispatchSimulate, ProportionalAndEarliestFinishUseAllEngines) {
  for (const Rule rule : {Rule::kFcfs, Rule::kProportional, Rule::kEarliestFinish}) {
    const SimulationCase c{.id = "all",
                           .mu = {13.5, 2.5, 2.5, 2.5, 2.5},
                           .lambda = 30,
                           .seconds = 200,
                           .dispatch = {.rule = rule, .queue = {.capacity = 2}}};
    EXPECT_GT(simulate(c).sigma_fps(c.seconds), 0.97 * 23.5) << name(rule);
  }
}

TEST(DispatchSimulate, NothingComesNothingGoes) {
  const SimulationCase c{.id = "none", .mu = {1}, .lambda = 1, .seconds = 0, .dispatch = {}};
  const Json json = to_json(simulate(c), 0);
  EXPECT_EQ(json.at("frames"), 0);
  EXPECT_EQ(json.at("sigma_fps"), 0.0);
  EXPECT_EQ(json.at("mean_latency_s"), 0.0);
}

TEST(DispatchSimulate, RefusesCasesThatAreNone) {
  const Json good = {{"id", "a"},        {"mu", {2.5}}, {"lam", 14},       {"T", 1},
                     {"policy", "fcfs"}, {"cap", 1},    {"drop", "oldest"}};
  const auto with = [&](const char* key, const Json& value) {
    Json item = good;
    item[key] = value;
    return [item] {
      for (const auto& c : parse_cases({{"cases", {item}}}, "f.json")) (void)simulate(c);
    };
  };
  with("cap", nullptr)();
  EXPECT_TRUE(fails_with(Errc::kData, {"f.json", "case 0", "'lifo'"}, with("policy", "lifo")));
  EXPECT_TRUE(fails_with(Errc::kData, {"cap -1"}, with("cap", -1)));
  EXPECT_TRUE(fails_with(Errc::kData, {"'all'"}, with("drop", "all")));
  EXPECT_TRUE(fails_with(Errc::kData, {"must drop"}, with("drop", "none")));
  EXPECT_TRUE(fails_with(Errc::kData, {"mu has 0"}, with("mu", Json::array())));
  EXPECT_TRUE(fails_with(Errc::kData, {"case a: mu is -2"}, with("mu", {-2})));
  EXPECT_TRUE(fails_with(Errc::kData, {"case a: lam is 0"}, with("lam", 0)));
  EXPECT_TRUE(fails_with(Errc::kData, {"frames, at most"}, with("T", 1e9)));
  EXPECT_TRUE(fails_with(Errc::kData, {"frames, at most"}, with("T", -1)));
  EXPECT_TRUE(fails_with(Errc::kData, {"ticks a second"},
                         with("mu", {999983.0, 999979.0, 999961.0, 999959.0})));
  EXPECT_TRUE(
      fails_with(Errc::kData, {"f.json", "cases"}, [] { (void)parse_cases({}, "f.json"); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"case 0"}, [] {
    (void)parse_cases({{"cases", {{{"id", "a"}}}}}, "f.json");
  }));
}

}  // namespace
}  // namespace graft::dispatch
