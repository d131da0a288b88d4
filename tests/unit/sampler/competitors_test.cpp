// SPDX-License-Identifier: Apache-2.0
// Tests of section 7.5.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/core/rng.h"
#include "sampler/select/kakurenbo.h"
#include "sampler/select/registry.h"
#include "tests/support/fails_with.h"
#include "tests/unit/sampler/stream.h"

namespace graft {
namespace {

using testing::binomial_sd;
using testing::fails_with;
using testing::kSigmas;
using testing::make_slice;
using testing::Slice;

std::vector<std::int64_t> first_ids(std::int64_t n) {
  std::vector<std::int64_t> ids(static_cast<std::size_t>(n));
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  return ids;
}

std::vector<float> uniforms(std::uint64_t seed, std::uint64_t stream, std::int64_t n) {
  Philox rng({.seed = seed, .id = stream});
  std::vector<float> u(static_cast<std::size_t>(n));
  for (float& x : u) x = rng.uniform();
  return u;
}

/// InfoBatch that has seen these losses.
std::unique_ptr<Sampler> infobatch(const std::vector<float>& losses, const Json& options = {}) {
  auto sampler = make_sampler("infobatch", options);
  sampler->on_training_scores(first_ids(std::ssize(losses)), {.losses = losses});
  return sampler;
}

TEST(InfoBatch, A31_WeightsSumToN) {
  for (const auto& [low, ratio] : {std::pair{60, .5}, {61, .5}, {60, .3}, {57, .75}, {33, .9}}) {
    const std::int64_t n = 100;
    std::vector<float> losses(static_cast<std::size_t>(n), 2.F);
    std::fill(losses.begin(), losses.begin() + low, 1.F);
    const auto sampler = infobatch(losses, {{"ratio", ratio}});
    const std::vector<float> u = uniforms(1, 0, n);
    const EpochPlan plan = sampler->before_epoch({.epoch = 1, .epochs = 10, .examples = n, .u = u});
    const double kept = 1 - ratio, of_low = kept * low;
    ASSERT_FALSE(plan.all);
    EXPECT_EQ(std::ssize(plan.ids), n - low + static_cast<std::int64_t>(of_low + 1e-9));
    EXPECT_EQ(std::set(plan.ids.begin(), plan.ids.end()).size(), plan.ids.size());
    const double sum = std::accumulate(plan.weights.begin(), plan.weights.end(), 0.);
    if (std::abs(of_low - std::round(of_low)) < 1e-9) {
      EXPECT_NEAR(sum, n, 1e-4) << low << " " << ratio;
    }
    EXPECT_LT(std::abs(sum - static_cast<double>(n)), 1 / kept);
  }
}

TEST(InfoBatch, A31_UnbiasedByEnumeration) {
  const std::vector<float> losses = {1, 1, 1, 1, 9};
  const std::vector<double> g = {2, -3, 5, 7, 11};
  const auto sampler = infobatch(losses);
  // The order of four uniforms decides: all 24 orders give each of the 6 pairs 4 times.
  std::vector<float> u = {.1F, .2F, .3F, .4F, .5F};
  double sum = 0;
  std::set<std::set<std::int64_t>> subsets;
  int orders = 0;
  do {
    const EpochPlan plan = sampler->before_epoch({.epoch = 1, .epochs = 10, .examples = 5, .u = u});
    for (std::size_t i = 0; i < plan.ids.size(); ++i) {
      sum += static_cast<double>(plan.weights[i]) * g[static_cast<std::size_t>(plan.ids[i])];
    }
    subsets.insert({plan.ids.begin(), plan.ids.end()});
    ++orders;
  } while (std::next_permutation(u.begin(), u.begin() + 4));
  EXPECT_EQ(orders, 24);
  EXPECT_EQ(subsets.size(), 6U);
  EXPECT_NEAR(sum / orders, std::accumulate(g.begin(), g.end(), 0.), 1e-12);
}

TEST(InfoBatch, A31_EpochsThatPrune) {
  const std::vector<float> losses = {1, 2}, u = {.3F, .6F};
  for (const auto& [epochs, delta, pruning] :
       {std::tuple{200, .875, 175}, {100, .875, 87}, {10, .7, 7}, {10, 1., 10}, {10, 0., 0}}) {
    const auto sampler = infobatch(losses, {{"delta", delta}});
    for (int epoch = 0; epoch < epochs; ++epoch) {
      const EpochPlan plan =
          sampler->before_epoch({.epoch = epoch, .epochs = epochs, .examples = 2, .u = u});
      EXPECT_EQ(plan.all, epoch >= pruning) << epochs << " " << epoch;
      EXPECT_TRUE(plan.weights.empty() == plan.all);
    }
  }
  EXPECT_TRUE(make_sampler("infobatch")->before_epoch({.epochs = 9, .examples = 2, .u = u}).all);
}

TEST(InfoBatch, A32_Savings) {
  const std::int64_t n = 100000;
  for (const bool exponential : {true, false}) {
    std::vector<float> losses = uniforms(2, 0, n);
    if (exponential) {
      for (float& loss : losses) loss = -std::log1p(-loss);
    }
    const double low = exponential ? 1 - std::exp(-1.) : 0.5;
    const auto sampler = infobatch(losses);
    const std::vector<float> u = uniforms(2, 1, n);
    const EpochPlan plan =
        sampler->before_epoch({.epoch = 1, .epochs = 200, .examples = n, .u = u});
    const double pruned = 1 - static_cast<double>(plan.ids.size()) / static_cast<double>(n);
    EXPECT_NEAR(pruned, low / 2, kSigmas * binomial_sd(low, n)) << exponential;
    EXPECT_NEAR(low / 2, exponential ? .316 : .25, 5e-4);
    EXPECT_NEAR(low / 2 * .875, exponential ? .277 : .219, 5e-4);
  }
}

struct Seen {
  std::vector<float> losses, confidences;
  std::vector<std::uint8_t> correct;
  [[nodiscard]] ExampleScores view() const {
    return {.losses = losses, .correct = correct, .confidences = confidences};
  }
};

TEST(Kakurenbo, A33_HidesTheEasyThatItIsSureOf) {
  const std::int64_t n = 1000;
  Kakurenbo sampler({});
  Seen seen;
  seen.losses = uniforms(3, 0, n);
  seen.confidences = uniforms(3, 1, n);
  for (const float u : uniforms(3, 2, n)) seen.correct.push_back(u < 0.8F ? 1 : 0);
  const EpochPlan first = sampler.before_epoch({.epoch = 0, .epochs = 200, .examples = n});
  EXPECT_TRUE(first.all);
  EXPECT_TRUE(first.refresh.empty());
  EXPECT_EQ(first.lr_scale, 1);
  sampler.on_training_scores(first_ids(n), seen.view());
  std::vector<float> ordered = seen.losses;
  std::sort(ordered.begin(), ordered.end());
  for (const auto& [epoch, cap] : {std::pair{1, .3}, {59, .3}, {60, .24}, {120, .18}, {160, .12}}) {
    const EpochPlan plan = sampler.before_epoch({.epoch = epoch, .epochs = 200, .examples = n});
    EXPECT_DOUBLE_EQ(plan.lr_scale, 1 / (1 - cap)) << epoch;
    // Forwards of the epoch: visible and hidden are everything, once.
    std::set<std::int64_t> all(plan.ids.begin(), plan.ids.end());
    all.insert(plan.refresh.begin(), plan.refresh.end());
    EXPECT_EQ(std::ssize(all), n);
    EXPECT_EQ(std::ssize(plan.ids) + std::ssize(plan.refresh), n);
    ASSERT_FALSE(plan.refresh.empty());
    const float limit = ordered[static_cast<std::size_t>(cap * static_cast<double>(n))];
    std::int64_t want = 0;
    for (std::size_t i = 0; i < seen.losses.size(); ++i) {
      want += seen.losses[i] < limit && seen.correct[i] != 0 && seen.confidences[i] >= .7F;
    }
    EXPECT_EQ(std::ssize(plan.refresh), want) << epoch;
    for (const std::int64_t id : plan.refresh) {
      const auto i = static_cast<std::size_t>(id);
      EXPECT_LT(seen.losses[i], limit);
      EXPECT_EQ(seen.correct[i], 1);
      EXPECT_GE(seen.confidences[i], .7F);
    }
  }
}

TEST(Kakurenbo, A33_ScoresAreAtMostAnEpochOld) {
  // A hidden example that got hard is trained in the next epoch, and the other way round.
  Kakurenbo sampler({.fraction = 0.5});
  const std::vector<std::int64_t> ids = {0, 1};
  const auto see = [&](float a, float b) {
    const std::vector<float> losses = {a, b}, confidences = {.9F, .9F};
    const std::vector<std::uint8_t> correct = {1, 1};
    return Seen{losses, confidences, correct};
  };
  sampler.on_training_scores(ids, see(1, 2).view());
  EXPECT_EQ(sampler.before_epoch({.epoch = 1, .epochs = 9, .examples = 2}).refresh,
            std::vector<std::int64_t>{0});
  sampler.on_refresh_scores(ids, see(3, 2).view());
  EXPECT_EQ(sampler.before_epoch({.epoch = 2, .epochs = 9, .examples = 2}).refresh,
            std::vector<std::int64_t>{1});
}

TEST(Rho, A34_TopOfTheReducibleLoss) {
  const std::int64_t n = 320;
  const Slice slice = make_slice(1, 0, 0, n);
  std::vector<float> il = uniforms(4, 0, n);
  const auto choose = [&](const char* name, const std::vector<float>& losses, const Json& options) {
    const auto sampler = make_sampler(name, options);
    sampler->set_irreducible_losses(losses);
    return sampler->select(slice.view()).rows;
  };
  const auto rows = choose("rho", il, {});
  ASSERT_EQ(rows.size(), 32U);
  const auto reducible = [&](std::size_t i) { return slice.losses[i] - il[i]; };
  float worst_kept = 1e9F, best_left = -1e9F;
  for (std::size_t i = 0; i < il.size(); ++i) {
    if (std::binary_search(rows.begin(), rows.end(), static_cast<std::int32_t>(i)))
      worst_kept = std::min(worst_kept, reducible(i));
    else
      best_left = std::max(best_left, reducible(i));
  }
  EXPECT_GE(worst_kept, best_left);
  const std::vector<float> zero(static_cast<std::size_t>(n), 0.F);
  EXPECT_EQ(choose("rho", zero, {{"keep", .25}}), choose("topk", {}, {{"keep", .25}}));
  std::vector<float> shifted = il;
  for (float& x : shifted) x += 8;
  EXPECT_EQ(choose("rho", shifted, {}), rows);
  EXPECT_EQ(choose("rho", il, {{"keep", 1e-6}}).size(), 1U);
  EXPECT_EQ(make_sampler("rho")->slice_size(32), 320);
}

TEST(Rho, A34_TiesByIndexAndOnlyExamplesWithIrreducibleLoss) {
  const auto rho = make_sampler("rho", {{"keep", .5}});
  EXPECT_EQ(rho->irreducible_epochs(7), 7);
  EXPECT_TRUE(fails_with(Errc::kConfig, {"irreducible"},
                         [&] { (void)rho->before_epoch({.examples = 6}); }));
  rho->set_irreducible_losses(std::vector<float>{0, NAN, 0, NAN, 0, 0});
  EXPECT_EQ(rho->irreducible_epochs(7), 0);
  EXPECT_EQ(rho->before_epoch({.examples = 6}).ids, (std::vector<std::int64_t>{0, 2, 4, 5}));
  const std::vector<std::int64_t> ids = {5, 0, 2, 4};
  const std::vector<float> losses = {1, 1, 1, 1};
  EXPECT_EQ(rho->select({.ids = ids, .losses = losses}).rows, (std::vector<std::int32_t>{0, 1}));
}

TEST(RankSelection, KeepsBothEnds) {
  const std::vector<std::int64_t> ids = {3, 1, 4, 1, 5, 9};
  const std::vector<float> losses = {2, 5, 5, 1, 3, 1};
  const Candidates slice{.ids = ids, .losses = losses};
  EXPECT_EQ(make_sampler("topk", {{"keep", .2}})->select(slice).rows, std::vector<std::int32_t>{1});
  EXPECT_EQ(make_sampler("topk", {{"keep", .5}})->select(slice).rows,
            (std::vector<std::int32_t>{1, 2, 4}));
  EXPECT_EQ(make_sampler("lowk", {{"keep", .2}})->select(slice).rows, std::vector<std::int32_t>{3});
  EXPECT_EQ(make_sampler("lowk", {{"keep", .5}})->select(slice).rows,
            (std::vector<std::int32_t>{0, 3, 5}));
}

std::unique_ptr<Sampler> batchsb(Json options) {
  options.emplace("start", 0);
  options.emplace("end", 1);
  options.emplace("interrupt", 0);
  return make_sampler("batchsb", options);
}

TEST(BatchPercentile, A35_CountsAndIdentity) {
  const Slice slice = make_slice(1, 0, 0, 127);
  for (const double keep : {.1, .25, .5, .9}) {
    const auto sampler = batchsb({{"keep", keep}});
    (void)sampler->before_epoch({.epochs = 4, .examples = 127});
    const Selection s = sampler->select(slice.view());
    EXPECT_EQ(std::ssize(s.rows), static_cast<std::int64_t>(keep * 127));
    EXPECT_EQ(std::set(s.rows.begin(), s.rows.end()).size(), s.rows.size());
    EXPECT_EQ(s.weights, std::vector<float>(s.rows.size(), 1.F));
  }
  const Selection all = batchsb({{"keep", 1}})->select(slice.view());
  EXPECT_EQ(all.rows.size(), 127U);
  EXPECT_EQ(batchsb({})->queue_options().mode, QueueMode::kFlushSlice);
}

TEST(BatchPercentile, A35_Schedule) {
  const std::int64_t n = 320;  // ten batches
  const auto scored = [&](const Json& options, std::int64_t epoch) {
    const auto sampler = make_sampler("batchsb", options);
    (void)sampler->before_epoch({.epoch = epoch, .epochs = 10, .examples = n});
    std::vector<int> batches;
    for (int batch = 0; batch < 10; ++batch) {
      const Slice slice = make_slice(1, 0, 32 * batch, 32);
      std::vector<std::uint8_t> needed(32);
      sampler->needs_selection_forward({.ids = slice.ids}, needed);
      if (needed[0] != 0) batches.push_back(batch);
      EXPECT_EQ(sampler->select(slice.view()).rows.size(), needed[0] != 0 ? 16U : 32U);
    }
    return batches;
  };
  const std::vector<int> even = {0, 2, 4, 6, 8};
  EXPECT_EQ(scored({}, 5), even);
  EXPECT_EQ(scored({}, 8), even);
  EXPECT_TRUE(scored({}, 4).empty());
  EXPECT_TRUE(scored({}, 9).empty());
  EXPECT_EQ(scored({{"start", .55}}, 5), (std::vector<int>{6, 8}));
  EXPECT_EQ(scored({{"interrupt", 3}}, 5), (std::vector<int>{0, 1, 3, 4, 6, 7, 9}));
}

TEST(BatchPercentile, A35_Inclusion) {
  const int reps = 20000, n = 128;
  const auto sampler = batchsb({{"keep", .5}});
  Slice slice = make_slice(1, 0, 0, n);
  for (int i = 0; i < n; ++i) slice.losses[static_cast<std::size_t>(i)] = static_cast<float>(i);
  std::vector<double> included(n);
  (void)sampler->before_epoch({.examples = std::int64_t{reps} * n});
  for (int r = 0; r < reps; ++r) {
    slice.u_select = uniforms(7, static_cast<std::uint64_t>(r), n);
    for (const auto row : sampler->select(slice.view()).rows) {
      included[static_cast<std::size_t>(row)] += 1. / reps;
    }
  }
  const auto mean = [&](int from, int to) {
    return std::accumulate(included.begin() + from, included.begin() + to, 0.) / (to - from);
  };
  EXPECT_NEAR(mean(115, 128), .78, .01);
  EXPECT_NEAR(mean(0, 13), .08, .01);
  EXPECT_NEAR(mean(60, 68), .55, .02);
}

TEST(SelectiveBackprop, A36_WeightsUndoTheSelection) {
  const std::int64_t n = 128;
  const int reps = 20000;
  const double p_min = 0.1;
  const auto sampler = make_sampler(
      "sb", {{"unbiased", true}, {"p_min", p_min}, {"beta", 2}, {"prime_epochs", 0}, {"R", n}});
  Slice slice = make_slice(1, 0, 0, n);
  std::vector<double> g(static_cast<std::size_t>(n));
  double largest = 0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    g[i] = std::cos(static_cast<double>(i)) + 0.3;
    largest = std::max(largest, g[i] * g[i]);
  }
  const double want = std::accumulate(g.begin(), g.end(), 0.) / static_cast<double>(n);
  double sum = 0, squares = 0;
  for (int r = 0; r < reps; ++r) {  // a window of one slice: the same P in every repetition
    slice.u_select = uniforms(8, static_cast<std::uint64_t>(r), n);
    const Selection s = sampler->select(slice.view());
    double estimate = 0;
    for (std::size_t k = 0; k < s.rows.size(); ++k) {
      const auto i = static_cast<std::size_t>(s.rows[k]);
      EXPECT_FLOAT_EQ(s.weights[k], static_cast<float>(1 / s.probability[i]));
      estimate += static_cast<double>(s.weights[k]) * g[i] / static_cast<double>(n);
    }
    sum += estimate;
    squares += estimate * estimate;
  }
  const double mean = sum / reps, variance = squares / reps - mean * mean;
  EXPECT_NEAR(mean, want, kSigmas * std::sqrt(variance / reps));
  EXPECT_LE(variance, largest / (static_cast<double>(n) * p_min));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"unbiased", "p_min"}, [] {
    (void)make_sampler("sb", {{"unbiased", true}, {"p_min", 0}});
  }));
}

}  // namespace
}  // namespace graft
