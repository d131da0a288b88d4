// SPDX-License-Identifier: Apache-2.0
#include "runtime/compare/arms.h"

#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "tests/support/fails_with.h"

namespace graft::compare {
namespace {

using testing::fails_with;
using train::TrainOptions;

TEST(Arms, TakeASamplerAndItsOptions) {
  TrainOptions base;
  base.epochs = 7;
  const auto arms = parse_arms("traditional; random;sb  beta=1 prime_epochs=2", base);
  ASSERT_EQ(arms.size(), 3U);
  EXPECT_EQ(arms[0].options.sampler, "traditional");
  EXPECT_EQ(arms[1].text, "random");
  EXPECT_EQ(arms[1].options.epochs, 7);
  EXPECT_EQ(arms[2].text, "sb beta=1 prime_epochs=2");
  EXPECT_EQ(arms[2].slug, "sb-beta-1-prime_epochs-2");
  EXPECT_EQ(arms[2].options.sampler, "sb");
  EXPECT_EQ(arms[2].options.beta, 1.0);
  EXPECT_EQ(arms[2].options.sampler_options.at("prime_epochs"), "2");
}

TEST(Arms, TakeAnyOptionOfTrainingInEitherSpelling) {
  const auto arms = parse_arms(
      "sb lr-policy=step:gamma=0.1,at=4/8 epochs=12 select_batch=256 nesterov=false R=512", {});
  const TrainOptions& o = arms.at(0).options;
  EXPECT_EQ(o.lr_policy, "step:gamma=0.1,at=4/8");
  EXPECT_EQ(o.epochs, 12);
  EXPECT_EQ(o.select_batch, 256);
  EXPECT_FALSE(o.nesterov);
  EXPECT_EQ(o.sampler_options.at("R"), "512");
  EXPECT_EQ(arms[0].slug,
            "sb-lr-policy-step-gamma-0.1-at-4-8-epochs-12-select_batch-256-nesterov-"
            "false-R-512");
}

TEST(Arms, OptionsForAllReachTheSamplersThatHaveThem) {
  TrainOptions base;
  base.beta = 3;
  base.staleness = 2;
  base.sampler_options["p_min"] = "0.05";
  const auto arms = parse_arms("traditional;sb;stale", base);
  EXPECT_FALSE(arms[0].options.beta || arms[0].options.staleness);
  EXPECT_TRUE(arms[0].options.sampler_options.empty());
  EXPECT_EQ(arms[1].options.beta, 3);
  EXPECT_FALSE(arms[1].options.staleness);
  EXPECT_EQ(arms[1].options.sampler_options.at("p_min"), "0.05");
  EXPECT_EQ(arms[2].options.staleness, 2);
}

TEST(Arms, ReuseOnBatchNormTakesTheRecommendedApproximation) {
  TrainOptions base;
  EXPECT_EQ(parse_arms("sb cache=reuse", base)[0].options.cache_bn, "b2");
  EXPECT_EQ(parse_arms("sb cache=reuse cache-bn=b1p", base)[0].options.cache_bn, "b1p");
  base.norm = "group";
  EXPECT_EQ(parse_arms("sb cache=reuse", base)[0].options.cache_bn, "refuse");
}

TEST(Arms, ErrorsNameTheArmAndWhatWasMeant) {
  const auto refuses = [](const std::string& text, std::vector<std::string> parts) {
    return fails_with(Errc::kUsage, parts, [&] { (void)parse_arms(text, {}); });
  };
  EXPECT_TRUE(refuses("traditional;sbb", {"arm 'sbb'", "unknown sampler", "did you mean `sb`"}));
  EXPECT_TRUE(refuses("sb betta=2", {"arm 'sb betta=2'", "did you mean `beta`"}));
  EXPECT_TRUE(
      refuses("traditional epoch=2", {"arm 'traditional epoch=2'", "did you mean `epochs`"}));
  EXPECT_TRUE(refuses("sb epochs=x", {"arm 'sb epochs=x'", "epochs", "whole number"}));
  EXPECT_TRUE(refuses("sb lr_policy=setp", {"arm 'sb lr_policy=setp'"}));
  EXPECT_TRUE(refuses("sb beta=-1", {"arm 'sb beta=-1'", "beta"}));
  EXPECT_TRUE(refuses("sb beta", {"arm 'sb beta'", "key=value"}));
  EXPECT_TRUE(refuses("sb seed=2", {"arm 'sb seed=2'", "whole comparison"}));
  EXPECT_TRUE(refuses("sb;;random", {"empty arm"}));
  EXPECT_TRUE(refuses("", {"empty arm"}));
}

TEST(Arms, TwoMayNotShareAFolder) {
  EXPECT_TRUE(fails_with(Errc::kUsage, {"'sb beta=1'", "share the folder", "sb-beta-1"},
                         [] { (void)parse_arms("sb beta=1;sb   beta=1", {}); }));
}

}  // namespace
}  // namespace graft::compare
