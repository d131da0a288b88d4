// SPDX-License-Identifier: Apache-2.0
// Tests of section 7.3 but A25, which needs the kernels.
#include "sampler/select/kath18.h"

#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/core/rng.h"
#include "sampler/select/registry.h"
#include "tests/unit/sampler/stream.h"

namespace graft {
namespace {

using testing::kSigmas;
using testing::make_slice;
using testing::Slice;

/// A sampler whose condition holds from the second slice on.
std::unique_ptr<Sampler> always_on(Json options) {
  options["score"] = "loss";
  options["tau_threshold"] = 1;
  options["momentum"] = 0;
  auto sampler = make_sampler("kath18", options);
  sampler->on_training_scores(std::vector<std::int64_t>{0, 1},
                              {.losses = std::vector<float>{1, 100}});
  (void)sampler->before_epoch({.epoch = 1, .examples = 1});
  return sampler;
}

TEST(Kath18, A21_Tau) {
  EXPECT_DOUBLE_EQ(kath_tau(std::vector<float>(7, 0.25F)), 1);
  EXPECT_NEAR(kath_tau(std::vector<float>{0, 0, 5, 0}), std::sqrt(4.), 1e-12);
  EXPECT_NEAR(kath_tau(std::vector<float>{1, 2, 3, 4}), 1.0954, 5e-5);
  EXPECT_EQ(kath_tau(std::vector<float>(3, 0.F)), 1);
  // Moving average from 0: v (1 - .9^k) first exceeds 2 for v = 2.5 at k = 16.
  Kath18 kath({.score = KathScore::kLoss});
  std::vector<float> losses(625, 0.F);  // tau = sqrt(625 / 100) = 2.5
  std::fill(losses.begin(), losses.begin() + 100, 1.F);
  const std::vector<std::int64_t> ids(losses.size());
  std::vector<std::uint8_t> needed(1);
  const std::vector<std::int64_t> one = {0};
  for (int k = 1; k <= 16; ++k) {
    kath.needs_selection_forward({.ids = one}, needed);
    EXPECT_EQ(needed[0], 0) << "before update " << k;
    kath.on_training_scores(ids, {.losses = losses});
    EXPECT_NEAR(kath.tau(), 2.5 * (1 - std::pow(0.9, k)), 1e-9);
  }
  kath.needs_selection_forward({.ids = one}, needed);
  EXPECT_EQ(needed[0], 1);
}

TEST(Kath18, A22_Threshold) {
  EXPECT_DOUBLE_EQ(kath_threshold(384. / 128), 2);
  EXPECT_NEAR(kath_threshold(256. / 128), 1.6667, 5e-5);
  EXPECT_NEAR(kath_threshold(512. / 128), 2.3333, 5e-5);
  EXPECT_EQ(make_sampler("kath18")->slice_size(128), 384);
  EXPECT_EQ(make_sampler("kath18", {{"preset", "paper"}, {"beta", 1}})->slice_size(128), 256);
}

TEST(Kath18, A23_UnbiasedByEnumeration) {
  const std::size_t n = 6;
  Slice slice = make_slice(1, 0, 0, n);
  slice.losses = {0.5F, 1, 0.25F, 3, 2, 0.125F};
  const auto kath = always_on({{"presample", n}});  // one draw
  // The draw is a step function of u[0]: walk it finely enough to meet every example.
  const std::vector<double> g = {3, -1, 4, 1, -5, 9};
  const double sum = std::accumulate(slice.losses.begin(), slice.losses.end(), 0.);
  double estimate = 0, weights = 0;
  std::set<std::int32_t> met;
  const Selection any = kath->select(slice.view());
  for (std::size_t i = 0; i < n; ++i) {
    const double p = static_cast<double>(slice.losses[i]) / sum;
    EXPECT_NEAR(any.probability[i], p, 1e-12);
    estimate += any.probability[i] * g[i] / (static_cast<double>(n) * any.probability[i]);
    weights += any.probability[i] / (static_cast<double>(n) * any.probability[i]);
  }
  EXPECT_NEAR(estimate, std::accumulate(g.begin(), g.end(), 0.) / n, 1e-12);
  EXPECT_NEAR(weights, 1, 1e-12);
  for (int step = 0; step < 200; ++step) {
    slice.u_select[0] = static_cast<float>(step) / 200;
    const Selection s = kath->select(slice.view());
    ASSERT_EQ(s.rows.size(), 1U);
    const auto row = static_cast<std::size_t>(s.rows[0]);
    EXPECT_NEAR(s.weights[0], 1 / (static_cast<double>(n) * s.probability[row]), 1e-5);
    met.insert(s.rows[0]);
  }
  EXPECT_EQ(met.size(), n);
}

TEST(Kath18, A23_UnbiasedByMonteCarlo) {
  const std::size_t n = 384;
  const int reps = 4000;
  const auto kath = always_on({{"presample", 3}});
  Slice slice = make_slice(1, 0, 0, n);
  std::vector<double> g(n);
  for (std::size_t i = 0; i < n; ++i) g[i] = std::sin(static_cast<double>(i));
  const double want = std::accumulate(g.begin(), g.end(), 0.) / n;
  double sum = 0, squares = 0;
  for (int r = 0; r < reps; ++r) {
    Philox rng({.seed = 5, .id = static_cast<std::uint64_t>(r)});
    for (float& u : slice.u_select) u = rng.uniform();
    const Selection s = kath->select(slice.view());
    ASSERT_EQ(s.rows.size(), 128U);
    double estimate = 0;
    for (std::size_t k = 0; k < s.rows.size(); ++k) {
      estimate += static_cast<double>(s.weights[k]) * g[static_cast<std::size_t>(s.rows[k])] / 128;
    }
    sum += estimate;
    squares += estimate * estimate;
  }
  const double mean = sum / reps, sd = std::sqrt(squares / reps - mean * mean);
  EXPECT_NEAR(mean, want, kSigmas * sd / std::sqrt(reps));
}

TEST(Kath18, A24_DuplicatesCollapse) {
  const int reps = 2000;
  const auto kath = always_on({{"preset", "paper"}, {"check", "iteration"}});
  Slice slice = make_slice(1, 0, 0, 384);
  std::fill(slice.losses.begin(), slice.losses.end(), 1.F);
  double unique = 0, squares = 0;
  for (int r = 0; r < reps; ++r) {
    // Equal losses have tau = 1 and would switch it off: wake it before each slice.
    kath->restore(
        {{{"sampler", "kath18"}, {"tau", 9.0}, {"epoch_sampling", 1}, {"slice_sampled", 1}}, {}});
    Philox rng({.seed = 6, .id = static_cast<std::uint64_t>(r)});
    for (float& u : slice.u_select) u = rng.uniform();
    const Selection s = kath->select(slice.view());
    const auto count = static_cast<double>(s.rows.size());
    unique += count;
    squares += count * count;
    EXPECT_EQ(std::adjacent_find(s.rows.begin(), s.rows.end()), s.rows.end());
    EXPECT_EQ(s.weights, std::vector<float>(s.rows.size(), 1.F));
  }
  const double mean = unique / reps, sd = std::sqrt(squares / reps - mean * mean);
  EXPECT_NEAR(384 * (1 - std::pow(383. / 384, 128)), 108.97, 0.01);
  EXPECT_NEAR(mean, 108.97, kSigmas * sd / std::sqrt(reps));
}

TEST(Kath18, PaperDecidesByTheEpochAndAlwaysScores) {
  const auto kath = make_sampler("kath18", {{"preset", "paper"}, {"momentum", 0}});
  std::vector<std::uint8_t> needed(3);
  Slice slice = make_slice(1, 0, 0, 3);
  (void)kath->before_epoch({.epoch = 0, .examples = 3});
  kath->needs_selection_forward({.ids = slice.ids}, needed);
  EXPECT_EQ(needed, (std::vector<std::uint8_t>{1, 1, 1}));
  EXPECT_EQ(kath->select(slice.view()).rows.size(), 3U);
  std::vector<float> peaked(100, 0.F);
  peaked[0] = 1;
  kath->on_training_scores(std::vector<std::int64_t>(100), {.losses = peaked});
  EXPECT_EQ(kath->select(slice.view()).rows.size(), 3U) << "not before the next epoch";
  (void)kath->before_epoch({.epoch = 1, .examples = 3});
  EXPECT_EQ(kath->select(slice.view()).rows.size(), 1U);
}

}  // namespace
}  // namespace graft
