// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/predicted.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "sampler/select/registry.h"
#include "tests/unit/sampler/stream.h"

namespace graft {
namespace {

using testing::hide_unasked_losses;
using testing::make_slice;
using testing::Slice;

constexpr std::int64_t kSlice = 128, kExamples = 1000;

/// Losses that keep their rank from epoch to epoch, with some noise: there is something to learn.
Slice predictable_slice(std::uint32_t epoch, std::int64_t first) {
  Slice slice = make_slice(1, epoch, first, std::min(kSlice, kExamples - first));
  for (std::size_t i = 0; i < slice.ids.size(); ++i) {
    slice.losses[i] =
        0.01F * static_cast<float>(slice.ids[i] * 617 % kExamples) + 0.1F * slice.losses[i];
  }
  return slice;
}

struct Decisions {
  std::int64_t forwards = 0;
  std::vector<std::int64_t> selected;
  std::map<std::int64_t, std::uint32_t> forwarded_at;
};

Decisions run(Sampler& sampler, std::uint32_t from, std::uint32_t to,
              std::vector<std::uint32_t>* longest_gap = nullptr) {
  Decisions out;
  for (std::uint32_t epoch = from; epoch < to; ++epoch) {
    (void)sampler.before_epoch({.epoch = epoch, .epochs = to, .examples = kExamples});
    for (std::int64_t first = 0; first < kExamples; first += kSlice) {
      Slice slice = predictable_slice(epoch, first);
      out.forwards += hide_unasked_losses(sampler, slice);
      for (std::size_t i = 0; i < slice.losses.size(); ++i) {
        if (std::isnan(slice.losses[i])) continue;
        const std::int64_t id = slice.ids[i];
        if (longest_gap != nullptr && out.forwarded_at.contains(id)) {
          auto& gap = (*longest_gap)[0];
          gap = std::max(gap, epoch - out.forwarded_at[id]);
        }
        out.forwarded_at[id] = epoch;
      }
      for (const std::int32_t row : sampler.select(slice.view()).rows) {
        out.selected.push_back(slice.ids[static_cast<std::size_t>(row)]);
      }
    }
  }
  return out;
}

TEST(Predicted, A42_EwmaOfAConstant) {
  EwmaPredictor ewma;
  EXPECT_TRUE(std::isnan(ewma.predict(3, 0).mean));
  ewma.observe(3, 0, 2);
  EXPECT_EQ(ewma.predict(3, 1).mean, 2);
  EXPECT_EQ(ewma.predict(3, 1).deviation, 1);
  for (int k = 1; k <= 20; ++k) {
    ewma.observe(3, k, 2);
    EXPECT_EQ(ewma.predict(3, k).mean, 2);
    EXPECT_NEAR(ewma.predict(3, k).deviation, std::pow(.75, k), 1e-6);
  }
  ewma.observe(3, 21, 10);
  EXPECT_NEAR(ewma.predict(3, 22).mean, 2. * 7 / 8 + 10. / 8, 1e-6);
  EXPECT_NEAR(ewma.predict(3, 22).deviation, .75 * std::pow(.75, 20) + .25 * 8, 1e-6);
}

TEST(Predicted, A42_AlwaysForwardIsSb) {
  for (const char* preset : {"default", "paper"}) {
    for (const char* predictor : {"ewma", "gp"}) {
      const auto sb = make_sampler("sb", {{"preset", preset}});
      const Decisions want = run(*sb, 0, 4);
      PredictedOptions options =
          std::string(preset) == "paper" ? PredictedOptions::paper() : PredictedOptions::standard();
      options.predictor =
          std::string(predictor) == "gp" ? PredictorKind::kGp : PredictorKind::kEwma;
      options.k = std::numeric_limits<double>::infinity();
      Predicted unlimited(options);
      const auto every_epoch =
          make_sampler("predicted", {{"preset", preset}, {"predictor", predictor}, {"max_age", 1}});
      for (Sampler* predicted : {static_cast<Sampler*>(&unlimited), every_epoch.get()}) {
        const Decisions got = run(*predicted, 0, 4);
        EXPECT_EQ(got.selected, want.selected) << preset << " " << predictor;
        EXPECT_EQ(got.forwards, want.forwards);
      }
    }
  }
}

TEST(Predicted, A42_AgeIsBounded) {
  for (const std::int64_t max_age : {2, 5}) {
    const auto predicted = make_sampler(
        "predicted", {{"max_age", max_age}, {"k", 0}, {"prime_forward", true}, {"beta", 4}});
    std::vector<std::uint32_t> longest = {0};
    (void)run(*predicted, 0, 20, &longest);
    EXPECT_EQ(longest[0], max_age);
  }
}

TEST(Predicted, SavesForwardsAndSelectsNearlyTheSame) {
  const auto sb = make_sampler("sb", {{"prime_forward", true}});
  const Decisions want = run(*sb, 0, 8);
  for (const char* predictor : {"ewma", "gp"}) {
    const auto predicted =
        make_sampler("predicted", {{"predictor", predictor}, {"prime_forward", true}});
    const Decisions got = run(*predicted, 0, 8);
    EXPECT_LT(got.forwards, want.forwards * 8 / 10) << predictor;
    EXPECT_NEAR(static_cast<double>(got.selected.size()), static_cast<double>(want.selected.size()),
                0.1 * static_cast<double>(want.selected.size()))
        << predictor;
  }
}

TEST(Predicted, HumpedPriorityForwardsWhatMayLieBelowTheHump) {
  // F falls beyond the middle: a high predicted loss may turn out to be a likely one.
  const auto predicted = make_sampler(
      "predicted", {{"priority", "linear:0,0.5,1/0,1,0"}, {"prime_forward", true}, {"k", 1000}});
  const auto sb =
      make_sampler("sb", {{"priority", "linear:0,0.5,1/0,1,0"}, {"prime_forward", true}});
  EXPECT_EQ(run(*predicted, 0, 2).selected, run(*sb, 0, 2).selected);
}

TEST(GpPredictor, FollowsALineAndWidensWithTime) {
  GpPredictor gp(5);
  EXPECT_TRUE(std::isnan(gp.predict(0, 0).mean));
  for (int epoch = 0; epoch < 5; ++epoch) gp.observe(0, epoch, 5 - epoch);
  const LossPrediction next = gp.predict(0, 5), later = gp.predict(0, 12);
  EXPECT_LT(next.mean, 2);  // the mean of the window is 3
  EXPECT_GT(later.mean, next.mean);
  EXPECT_GT(later.deviation, next.deviation);
  EXPECT_TRUE(std::isnan(gp.predict(2, 1).mean)) << "unseen";
}

TEST(GpPredictor, MatchesAHandComputedPosterior) {
  GpPredictor gp(1);
  gp.observe(0, 0, 2);
  EXPECT_EQ(gp.predict(0, 1).mean, 2);
  const double r = std::sqrt(3.) / 2, at = (1 + r) * std::exp(-r);
  const double spread = 1.25 - at * at / 1.25;
  gp.observe(0, 1, 5);  // the first error sets the shared variance: 9 / spread
  EXPECT_EQ(gp.predict(0, 2).mean, 5);
  EXPECT_NEAR(gp.predict(0, 2).deviation, 3, 1e-6);
  gp.observe(7, 3, 1);  // another example has the same kernel
  EXPECT_NEAR(gp.predict(7, 3).deviation, std::sqrt(9 / spread * (1.25 - 1 / 1.25)), 1e-6);
}

}  // namespace
}  // namespace graft
