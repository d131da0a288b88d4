// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/registry.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/error.h"

namespace graft {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(SamplerRegistry, MakesEveryNamedSampler) {
  for (const std::string& name : sampler_names()) {
    const auto sampler = make_sampler(name);
    EXPECT_EQ(sampler->name(), name);
    EXPECT_EQ(sampler->describe().at("name"), std::string(name));
    if (sampler->irreducible_epochs(5) == 0) {
      EXPECT_TRUE(sampler->before_epoch({.epoch = 0, .examples = 10}).all) << name;
    }
  }
}

TEST(SamplerRegistry, PresetsHoldTheDocumentedValues) {
  EXPECT_EQ(
      make_sampler("sb", Json{{"preset", "paper"}, {"beta", 3}})->describe(),
      Json::parse(R"({"name": "sb", "beta": 3.0, "p_min": 0.0, "unbiased": false, "prime_epochs": 1,
                "prime_forward": true, "queue_mode": "one_step_per_slice", "epoch_end": "authors", "watchdog_batches": 256,
                "R": 1024, "tie": "strict", "include_self": true, "prime_feeds_history": false})"));
  EXPECT_EQ(make_sampler("sb")->describe(),
            Json::parse(
                R"({"name": "sb", "beta": 2.0, "p_min": 0.01, "unbiased": false, "prime_epochs": 1,
                "prime_forward": false, "queue_mode": "drain_all", "epoch_end": "flush", "watchdog_batches": 256,
                "R": 1024, "tie": "mid", "include_self": true, "prime_feeds_history": true})"));
}

TEST(SamplerRegistry, DescriptionMakesTheSameSampler) {
  const Json options = {{"beta", 0.5}, {"p_min", 0.25},         {"tie", "weak"},
                        {"R", 64},     {"include_self", false}, {"epoch_end", "carry"}};
  const auto expect_round_trip = [](const std::string& name, const Json& given) {
    Json described = make_sampler(name, given)->describe();
    described.erase("name");
    EXPECT_EQ(make_sampler(name, described)->describe(), make_sampler(name, given)->describe());
  };
  expect_round_trip("sb", options);
  expect_round_trip("sb", {{"priority", "linear:0,0.5,0.8,1/0.1,0.3,0.9,1"}});
  for (const std::string& name : sampler_names()) {
    expect_round_trip(name, {{"preset", "default"}});
    expect_round_trip(name, {{"preset", "paper"}});
  }
}

TEST(SamplerRegistry, ReadsOptionsGivenAsText) {
  const Json text = {{"beta", "0.5"}, {"R", "64"}, {"include_self", "false"}};
  const Json typed = {{"beta", 0.5}, {"R", 64}, {"include_self", false}};
  EXPECT_EQ(make_sampler("sb", text)->describe(), make_sampler("sb", typed)->describe());
}

TEST(SamplerRegistry, ErrorsNameTheProblem) {
  const auto make = [](const char* name, const Json& options) {
    return [=] { (void)make_sampler(name, options); };
  };
  EXPECT_THAT(make("sbb", {}), ThrowsMessage<Error>(AllOf(HasSubstr("sbb"), HasSubstr("`sb`"))));
  EXPECT_THAT(make("sb", {{"bta", 1}}), ThrowsMessage<Error>(HasSubstr("`beta`")));
  EXPECT_THAT(make("traditional", {{"beta", 1}}), ThrowsMessage<Error>(HasSubstr("takes preset")));
  EXPECT_THAT(make("random", {{"tie", "mid"}}), ThrowsMessage<Error>(HasSubstr("'tie'")));
  EXPECT_THAT(make("sb", {{"preset", "papr"}}), ThrowsMessage<Error>(HasSubstr("'papr'")));
  EXPECT_THAT(make("sb", {{"beta", "2x"}}), ThrowsMessage<Error>(HasSubstr("number, got \"2x\"")));
  EXPECT_THAT(make("sb", {{"R", 1.5}}), ThrowsMessage<Error>(HasSubstr("whole number")));
  EXPECT_THAT(make("sb", {{"include_self", 1}}), ThrowsMessage<Error>(HasSubstr("true or false")));
  EXPECT_THAT(make("sb", {{"tie", "midd"}}), ThrowsMessage<Error>(HasSubstr("strict, mid, weak")));
  EXPECT_THAT(make("sb", {{"beta", -1}}), ThrowsMessage<Error>(HasSubstr("power:-1")));
  EXPECT_THAT(make("sb", {{"p_min", 1.5}}), ThrowsMessage<Error>(HasSubstr("got 1.5")));
  EXPECT_THAT(make("sb", {{"R", 0}}), ThrowsMessage<Error>(HasSubstr("got 0")));
  EXPECT_THAT(make("sb", Json::array({1})), ThrowsMessage<Error>(HasSubstr("[1]")));
  EXPECT_THAT(make("sb", {{"beta", 1}, {"priority", "power:2"}}),
              ThrowsMessage<Error>(HasSubstr("exclude each other")));
  EXPECT_THAT(make("stale", {{"staleness", 0}}), ThrowsMessage<Error>(HasSubstr("got 0")));
  EXPECT_THAT(make("stale", {{"compat_throttle", true}}),
              ThrowsMessage<Error>(HasSubstr("one_step_per_slice")));
  EXPECT_THAT(make("topk", {{"keep", 0}}), ThrowsMessage<Error>(HasSubstr("got 0")));
  EXPECT_THAT(make("batchsb", {{"start", .9}, {"end", .5}}),
              ThrowsMessage<Error>(HasSubstr("start 0.9")));
  EXPECT_THAT(make("infobatch", {{"ratio", 1}}), ThrowsMessage<Error>(HasSubstr("got 1")));
  EXPECT_THAT(make("kakurenbo", {{"confidence", 7}}), ThrowsMessage<Error>(HasSubstr("got 7")));
  EXPECT_THAT(make("kath18", {{"collapse_duplicates", true}}),
              ThrowsMessage<Error>(HasSubstr("weights")));
  EXPECT_THAT(make("rho", {{"il_epochs", -2}}), ThrowsMessage<Error>(HasSubstr("got -2")));
  EXPECT_THAT(make("predicted", {{"max_age", 0}}), ThrowsMessage<Error>(HasSubstr("got 0")));
  EXPECT_THAT(make("predicted", {{"predictor", "gb"}}),
              ThrowsMessage<Error>(HasSubstr("ewma, gp")));
}

TEST(SamplerRegistry, AcceptsAWholeNumberWrittenAsAFraction) {
  EXPECT_EQ(make_sampler("stale", {{"staleness", 2.0}})->describe().at("staleness"), 2);
}

class Mine final : public Sampler {
 public:
  [[nodiscard]] std::string_view name() const override { return "mine"; }
  [[nodiscard]] Json describe() const override { return {{"name", "mine"}}; }
};

TEST(SamplerRegistry, TakesSamplersOfAProgram) {
  register_sampler("mine", [](const Json&) { return std::make_unique<Mine>(); });
  EXPECT_EQ(make_sampler("mine")->name(), "mine");
  EXPECT_EQ(sampler_names().back(), "mine");
  EXPECT_THROW(register_sampler("sb", [](const Json&) { return std::make_unique<Mine>(); }), Error);
}

}  // namespace
}  // namespace graft
