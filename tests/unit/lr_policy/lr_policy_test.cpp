// SPDX-License-Identifier: Apache-2.0
#include "layers/optim/lr_policy.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/core/error.h"

namespace graft {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr double kRelTol = 1e-9;

std::string join(const json& list) {
  std::string out;
  for (const json& item : list) {
    if (!out.empty()) out += '+';
    out += item.dump();
  }
  return out;
}

/// The text form of the parameters of one oracle row.
std::string to_text(const json& params) {
  const std::string function = params.at("policy");
  std::string out;
  if (function == "PIECEWISE") {
    for (const json& policy : params.at("policies")) {
      if (!out.empty()) out += '-';
      out += to_text(policy);
    }
    return out + "-AT-" + join(params.at("boundaries"));
  }
  out = "lrPolicy_" + function;
  for (const auto& [key, value] : params.items()) {
    if (key == "policy") continue;
    out.append("+").append(key).append("_").append(value.is_array() ? join(value) : value.dump());
  }
  return out;
}

/// The committed copy, and the shared file beside the source tree where there is one.
std::vector<json> oracle_files() {
  std::vector<json> out;
  for (const char* path :
       {"/tests/oracle/lr_policies.json", "/../shared/oracles/lr_policies.json"}) {
    const std::string full = std::string(GRAFT_SOURCE_DIR) + path;
    if (std::filesystem::exists(full)) out.push_back(json::parse(std::ifstream(full)));
  }
  return out;
}

LrPolicy policy(const std::string& text, double units_per_epoch = 1, double epochs = 100) {
  return {parse_lr_spec(text, {.base_lr = 0.1, .epochs = epochs}), LrClock::kUpdates,
          units_per_epoch};
}

LrPolicy oracle_policy(const json& row) {
  return policy(to_text(row.at("params")) + "-COMPAT-lrbench");
}

TEST(LrPolicy, MatchesTheOracle) {
  const std::vector<json> files = oracle_files();
  ASSERT_FALSE(files.empty());
  std::size_t values = 0;
  for (const json& file : files) {
    for (const json& row : file.at("rows")) {
      const LrPolicy p = oracle_policy(row);
      for (std::size_t i = 0; i < row.at("t").size(); ++i, ++values) {
        const double want = row.at("lr")[i];
        EXPECT_LE(std::fabs(p.at(row.at("t")[i]) - want), kRelTol * std::fabs(want))
            << row.at("id") << " at t = " << row.at("t")[i];
      }
    }
  }
  EXPECT_GE(values, 600u);
}

TEST(LrPolicy, DoesNotDependOnTheOrderOfCalls) {
  const std::vector<json> files = oracle_files();
  ASSERT_FALSE(files.empty());
  for (const json& row : files[0].at("rows")) {
    const LrPolicy p = oracle_policy(row);
    std::vector<double> forward, backward;
    for (const json& t : row.at("t")) forward.push_back(p.at(t));
    for (std::size_t i = row.at("t").size(); i-- > 0;) backward.push_back(p.at(row.at("t")[i]));
    std::reverse(backward.begin(), backward.end());
    EXPECT_EQ(forward, backward) << row.at("id");
  }
}

TEST(LrPolicy, EveryFunctionPrintsAndReadsBack) {
  std::vector<std::string> texts = {
      "lrPolicy_FIX+k0_0.1",
      "lrPolicy_STEP+k0_0.001+gamma_0.85+l_5000",
      "lrPolicy_NSTEP+k0_1e-05+gamma_0.1+l_150+180ep",
      "lrPolicy_EXP+k0_0.001+gamma_0.99994",
      "lrPolicy_INV+k0_0.01+gamma_0.0001+p_0.75",
      "lrPolicy_POLY+k0_0+k1_0.1+p_1.2+l_1e+20",
      "lrPolicy_SIG+k0_0.1+gamma_0.01+l_500",
      "lrPolicy_SINEXP+k0_1.0+k1_3.0+l_5+gamma_0.94-lrPolicy_FIX+k0_1e-05-lrPolicy_FIX+k0_2e-06"
      "-AT-10+20ep-COMPAT-lrbench",
      "step:gamma=0.2,at=60/120/160,warmup=5",
      "cosine:warmup=1"};
  for (const char* family :
       {"TRI", "DTRI", "SIN", "DSIN", "COS", "UPCOS", "RSW", "SINRSW", "COSRSW"}) {
    const std::string head = std::string("lrPolicy_") + family;
    texts.push_back(head + "+k0_0.001+k1_0.006+l_2000");
    texts.push_back(head + "2+k0_0.001+k1_0.006+l_2000");
    texts.push_back(head + "EXP+k0_0.001+k1_0.006+l_2000+gamma_0.99994");
  }
  for (const std::string& text : texts) {
    const LrSpec spec = parse_lr_spec(text, {.base_lr = 0.1, .epochs = 200});
    EXPECT_EQ(parse_lr_spec(print(spec), {}), spec) << text << " -> " << print(spec);
  }
  const std::string published = "k1_0.006+k0_0.001+lrPolicy_UPCOS+l_2000";
  EXPECT_EQ(print(parse_lr_spec(published, {})), published);
  const std::string composite =
      "k1_6+k0_1+lrPolicy_SIN+l_5-k0_0.0001+lrPolicy_FIX-k0_1e-05+lrPolicy_FIX-AT-10+20";
  EXPECT_EQ(print(parse_lr_spec(composite, {})), composite);
}

TEST(LrPolicy, SawToothStartsHighUnlessCompat) {
  const std::string text = "lrPolicy_RSW2+k0_0.001+k1_0.006+l_2000";
  const LrPolicy fixed = policy(text), compat = policy(text + "-COMPAT-lrbench");
  EXPECT_DOUBLE_EQ(fixed.at(0), 0.006);
  EXPECT_DOUBLE_EQ(fixed.at(2000), 0.0035);
  EXPECT_DOUBLE_EQ(compat.at(0), 0.001);
  EXPECT_DOUBLE_EQ(compat.at(2000), 0.001);
  for (const double t : {1., 500., 1999., 2001., 12345.}) {
    EXPECT_DOUBLE_EQ(fixed.at(t), compat.at(t)) << t;
  }
}

TEST(LrPolicy, PolyStaysAtItsEnd) {
  const LrPolicy p = policy("lrPolicy_POLY+k0_0.01+k1_0.5+p_2+l_10");
  EXPECT_DOUBLE_EQ(p.at(0), 0.5);
  EXPECT_DOUBLE_EQ(p.at(5), 0.01 + 0.49 * 0.25);
  EXPECT_DOUBLE_EQ(p.at(10), 0.01);
  EXPECT_DOUBLE_EQ(p.at(15), 0.01);
}

TEST(LrPolicy, CompositeJumpsSeveralBoundariesAtOnce) {
  const LrPolicy p =
      policy("lrPolicy_FIX+k0_1-lrPolicy_FIX+k0_2-lrPolicy_TRI+k0_3+k1_4+l_10-AT-10+20");
  EXPECT_DOUBLE_EQ(p.at(25), 3.5);  // the last segment's own clock reads 5
  EXPECT_DOUBLE_EQ(p.at(9), 1);
  EXPECT_DOUBLE_EQ(p.at(10), 2);
}

TEST(LrPolicy, ShortFormsCountInEpochs) {
  const LrPolicy step = policy("step:gamma=0.1,at=30/60", 50000);
  EXPECT_DOUBLE_EQ(step.at(30 * 50000 - 1), 0.1);
  EXPECT_DOUBLE_EQ(step.at(30 * 50000), 0.01);
  EXPECT_DOUBLE_EQ(step.at(60 * 50000), 0.001);

  const LrPolicy cosine = policy("cosine:warmup=2,from=0.5", 100, 12);
  EXPECT_DOUBLE_EQ(cosine.at(0), 0.05);
  EXPECT_DOUBLE_EQ(cosine.at(100), 0.075);
  EXPECT_DOUBLE_EQ(cosine.at(200), 0.1);
  EXPECT_NEAR(cosine.at(700), 0.05, 1e-12);
  EXPECT_NEAR(cosine.at(1200), 0, 1e-12);

  EXPECT_DOUBLE_EQ(policy("fixed", 100).at(1e6), 0.1);
  EXPECT_NEAR(policy("step:gamma=0.5,every=10,warmup=1", 10).at(10 + 250), 0.025, 1e-15);
  EXPECT_NEAR(policy("poly:p=2", 10, 10).at(50), 0.025, 1e-15);
}

TEST(LrPolicy, ClockPicksTheCounter) {
  const Progress progress{.step = 3, .forwarded = 40, .backpropped = 20, .epoch = 0.5};
  const LrSpec spec = parse_lr_spec("lrPolicy_POLY+k0_0+k1_1+p_1+l_100", {});
  EXPECT_DOUBLE_EQ(LrPolicy(spec, LrClock::kCandidates, 80)(progress), 0.6);
  EXPECT_DOUBLE_EQ(LrPolicy(spec, LrClock::kBackprops, 80)(progress), 0.8);
  EXPECT_DOUBLE_EQ(LrPolicy(spec, LrClock::kUpdates, 5)(progress), 0.97);
  EXPECT_DOUBLE_EQ(LrPolicy(spec, LrClock::kEpochs, 1)(progress), 0.995);
  for (const LrClock clock :
       {LrClock::kCandidates, LrClock::kBackprops, LrClock::kUpdates, LrClock::kEpochs}) {
    EXPECT_EQ(parse_lr_clock(name(clock)), clock);
  }
}

TEST(LrPolicy, ErrorsNameThePart) {
  const auto parse = [](const char* text) {
    return [text] { (void)parse_lr_spec(text, {.base_lr = 0.1, .epochs = 10}); };
  };
  EXPECT_THAT(parse("cosin"), ThrowsMessage<Error>(HasSubstr("'cosin'")));
  EXPECT_THAT(parse("cosine:warm=1"), ThrowsMessage<Error>(HasSubstr("'warm'")));
  EXPECT_THAT(parse("cosine:warmup=10"), ThrowsMessage<Error>(HasSubstr("[0, 10)")));
  EXPECT_THAT(parse("step:gamma=0.1"), ThrowsMessage<Error>(HasSubstr("at=30/60")));
  EXPECT_THAT(parse("step:at=60/30"), ThrowsMessage<Error>(HasSubstr("ascend")));
  EXPECT_THAT(parse("lrPolicy_TRI3+k0_1+k1_2+l_3"), ThrowsMessage<Error>(HasSubstr("'TRI3'")));
  EXPECT_THAT(parse("lrPolicy_TRI+k0_1+l_3"), ThrowsMessage<Error>(HasSubstr("needs k1_")));
  EXPECT_THAT(parse("lrPolicy_FIX+k0_1+l_3"), ThrowsMessage<Error>(HasSubstr("takes no 'l'")));
  EXPECT_THAT(parse("lrPolicy_FIX+k0_x"), ThrowsMessage<Error>(HasSubstr("'x'")));
  EXPECT_THAT(parse("lrPolicy_STEP+k0_1+gamma_1+l_0"),
              ThrowsMessage<Error>(HasSubstr("above 0, got 0")));
  EXPECT_THAT(parse("lrPolicy_FIX+k0_1-AT-5"), ThrowsMessage<Error>(HasSubstr("-AT-")));
  EXPECT_THAT([] { (void)parse_lr_spec("fixed", {.base_lr = -1, .epochs = 10}); },
              ThrowsMessage<Error>(HasSubstr("not negative, got -1")));
}

}  // namespace
}  // namespace graft
