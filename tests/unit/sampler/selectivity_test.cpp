// SPDX-License-Identifier: Apache-2.0
// How much is selected, and what: tests A1, A2, A4-A6, A8-A10 of the method's specification.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "sampler/select/random.h"
#include "sampler/select/selective_backprop.h"
#include "sampler/select/train_queue.h"
#include "tests/unit/sampler/stream.h"

namespace graft {
namespace {

using testing::binomial_sd;
using testing::kSigmas;
using testing::make_slice;
using testing::run_epoch;
using testing::Slice;

constexpr std::int64_t kSlice = 128;

SelectiveBackpropOptions paper(double beta, std::int64_t prime_epochs = 0) {
  SelectiveBackpropOptions o = SelectiveBackpropOptions::paper();
  o.priority = Priority::power(beta);
  o.prime_epochs = prime_epochs;
  return o;
}

/// Mean of (k / m)^beta over k = 0 .. m - 1: the selected fraction of strict ties, self included.
double exact_mean(double beta, std::int64_t m) {
  double sum = 0;
  for (std::int64_t k = 0; k < m; ++k) {
    sum += std::pow(static_cast<double>(k) / static_cast<double>(m), beta);
  }
  return sum / static_cast<double>(m);
}

double selected_fraction(Sampler& sampler, std::int64_t n) {
  std::int64_t selected = 0;
  run_epoch(sampler, 1, 0, n, kSlice,
            [&](const Slice&, const Selection& s) { selected += std::ssize(s.rows); });
  return static_cast<double>(selected) / static_cast<double>(n);
}

TEST(SelectiveBackprop, A01_ExactMeans) {
  struct Case {
    double beta;
    std::int64_t window;
    double want;
  };
  for (const Case& c : {Case{1, 1024, .499512},
                        {2, 1024, .332845},
                        {3, 1024, .249512},
                        {4, 1024, .199512},
                        {.5, 1024, .666172},
                        {1, 128, .496094},
                        {2, 128, .329437},
                        {3, 128, .246109},
                        {4, 128, .196114}}) {
    EXPECT_NEAR(exact_mean(c.beta, c.window), c.want, 1e-6) << c.beta << " " << c.window;
  }
  const std::int64_t n = std::int64_t{1} << 20;
  for (const double beta : {1., 2., 3.}) {
    SelectiveBackprop sb(paper(beta));
    const double s = exact_mean(beta, 1024);
    EXPECT_NEAR(selected_fraction(sb, n), s, kSigmas * binomial_sd(s, n)) << "beta " << beta;
  }
}

TEST(SelectiveBackprop, A01_SelfExcludedMean) {
  SelectiveBackpropOptions options = paper(3);
  options.include_self = false;
  SelectiveBackprop sb(options);
  const Slice slice = make_slice(1, 0, 0, 1024);
  const Selection all = sb.select(slice.view());
  const double sum = std::accumulate(all.probability.begin(), all.probability.end(), 0.);
  EXPECT_NEAR(sum / 1024, 1024. / (4 * 1023), 1e-12);  // .250244: what the published runs exclude
}

TEST(SelectiveBackprop, A02_FirstSliceIsDeterministic) {
  for (const auto& [beta, want_sum] :
       {std::pair{1., 63.5}, {2., 42.16796875}, {3., 31.501953125}}) {
    SelectiveBackprop sb(paper(beta));
    const Slice slice = make_slice(1, 0, 0, kSlice);
    std::vector<double> p = sb.select(slice.view()).probability;
    std::sort(p.begin(), p.end());
    for (std::size_t k = 0; k < p.size(); ++k) {
      EXPECT_NEAR(p[k], std::pow(static_cast<double>(k) / kSlice, beta), 1e-12);
    }
    EXPECT_NEAR(std::accumulate(p.begin(), p.end(), 0.), want_sum, 1e-12 * want_sum);
  }
}

TEST(SelectiveBackprop, A04_HistoryIsFedBeforePercentiles) {
  const Slice one = make_slice(1, 0, 0, 1);
  SelectiveBackprop sb(paper(1));
  EXPECT_EQ(sb.select(one.view()).probability, std::vector<double>{0});
  EXPECT_EQ(sb.history().size(), 1);
  SelectiveBackprop everything(paper(0));
  EXPECT_EQ(everything.select(one.view()).probability, std::vector<double>{1});
}

TEST(SelectiveBackprop, SelectsIffTheUniformIsBelowP) {
  SelectiveBackprop sb(paper(1));
  Slice slice = make_slice(1, 0, 0, 4);
  slice.losses = {1, 2, 3, 4};  // P = 0, 1/4, 1/2, 3/4
  slice.u_select = {0, .25F, .49F, .76F};
  const Selection s = sb.select(slice.view());
  EXPECT_EQ(s.rows, std::vector<std::int32_t>{2});
  EXPECT_EQ(s.weights, std::vector<float>{1});
}

TEST(SelectiveBackprop, A05_TiesFollowTheConvention) {
  const std::int64_t m = 1024;
  Slice slice = make_slice(1, 0, 0, m);
  for (std::int64_t i = 0; i < m; ++i) {
    slice.losses[static_cast<std::size_t>(i)] = static_cast<float>(std::max(m / 2, i));
  }
  struct Case {
    double beta, strict, weak, mid;
  };
  for (const Case& c :
       {Case{1, .3750, .6250, .5000}, {2, .2917, .4167, .3229}, {3, .2344, .2969, .2422}}) {
    for (const auto& [tie, want] :
         {std::pair{Ties::kStrict, c.strict}, {Ties::kWeak, c.weak}, {Ties::kMid, c.mid}}) {
      SelectiveBackpropOptions options = paper(c.beta);
      options.tie = tie;
      SelectiveBackprop sb(options);
      const std::vector<double> p = sb.select(slice.view()).probability;
      // A window of M values is a step function: off by less than 1/M, plus the table's rounding.
      EXPECT_NEAR(std::accumulate(p.begin(), p.end(), 0.) / m, want, 1. / m + 5e-5)
          << "beta " << c.beta << " " << name(tie);
    }
  }
}

TEST(SelectiveBackprop, A05_AllEqualLosses) {
  for (const double beta : {1., 2., 3.}) {
    for (const auto& [tie, want] :
         {std::pair{Ties::kStrict, 0.}, {Ties::kWeak, 1.}, {Ties::kMid, std::pow(2., -beta)}}) {
      SelectiveBackpropOptions options = paper(beta);
      options.tie = tie;
      SelectiveBackprop sb(options);
      Slice slice = make_slice(1, 0, 0, kSlice);
      std::fill(slice.losses.begin(), slice.losses.end(), 0.F);
      const std::vector<double> p = sb.select(slice.view()).probability;
      EXPECT_EQ(p, std::vector<double>(kSlice, want));
    }
  }
}

/// Slices of all-equal losses through a sampler and a queue, until an error or the end.
std::int64_t updates_on_equal_losses(const SelectiveBackpropOptions& options, int slices) {
  SelectiveBackprop sb(options);
  TrainQueue queue(sb.queue_options(), kSlice);
  std::vector<QueuedExample> batch;
  std::int64_t updates = 0;
  for (int i = 0; i < slices; ++i) {
    Slice slice = make_slice(1, 0, i * kSlice, kSlice);
    std::fill(slice.losses.begin(), slice.losses.end(), 0.F);
    std::vector<QueuedExample> selected;
    for (const std::int32_t row : sb.select(slice.view()).rows) {
      selected.push_back({.id = slice.ids[static_cast<std::size_t>(row)]});
    }
    queue.push_slice(kSlice, selected, false);
    while (queue.next(batch)) ++updates;
  }
  return updates;
}

TEST(SelectiveBackprop, A05_StarvationTripsTheWatchdog) {
  SelectiveBackpropOptions strict = paper(2);
  strict.queue.watchdog_batches = 20;
  try {
    (void)updates_on_equal_losses(strict, 100);
    FAIL() << "strict ties select nothing, so nothing may go on for ever";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::kConfig);
    EXPECT_NE(std::string(error.what()).find("2688 candidates"), std::string::npos) << error.what();
  }
  SelectiveBackpropOptions standard = SelectiveBackpropOptions::standard();
  standard.prime_epochs = 0;
  standard.queue.watchdog_batches = 20;
  EXPECT_GE(updates_on_equal_losses(standard, 100), 20);  // P = 1/4: about 25
  strict.queue.watchdog_batches = 0;
  EXPECT_EQ(updates_on_equal_losses(strict, 100), 0);
}

TEST(SelectiveBackprop, A06_SelectedFollowTheirLaw) {
  const std::int64_t n = 100000;
  SelectiveBackprop sb(paper(2));
  std::vector<double> percentile;
  double loss_sum = 0;
  run_epoch(sb, 1, 0, n, kSlice, [&](const Slice& slice, const Selection& s) {
    for (const std::int32_t row : s.rows) {
      percentile.push_back(std::sqrt(s.probability[static_cast<std::size_t>(row)]));
      loss_sum += slice.losses[static_cast<std::size_t>(row)];
    }
  });
  const auto k = static_cast<double>(percentile.size());
  // Beta(3, 1), seen through a window of 1024; the loss is the largest of three exponential ones.
  const double mean = std::accumulate(percentile.begin(), percentile.end(), 0.) / k;
  EXPECT_NEAR(mean, .74963, kSigmas * std::sqrt(.0375 / k));
  double var = 0;
  for (const double c : percentile) var += (c - mean) * (c - mean) / k;
  EXPECT_NEAR(var, .0375, kSigmas * .045 / std::sqrt(k));  // sd of (c - mean)^2 is about .045
  EXPECT_NEAR(loss_sum / k, 1 + 1. / 2 + 1. / 3, kSigmas * std::sqrt((1 + 1. / 4 + 1. / 9) / k));

  std::sort(percentile.begin(), percentile.end());
  double distance = 0;
  for (std::size_t i = 0; i < percentile.size(); ++i) {
    const double law = std::pow(percentile[i] + .5 / 1024, 3);  // a step of the window is 1/1024
    distance = std::max(distance, std::fabs((static_cast<double>(i) + .5) / k - law));
  }
  EXPECT_LT(distance, 2.74 / std::sqrt(k) + 1.5 / 1024);  // Kolmogorov-Smirnov at 6e-7
}

TEST(SelectiveBackprop, A08_RandomControlIgnoresTheLoss) {
  const std::int64_t n = 100000;
  for (const double beta : {1., 2., 3.}) {
    PowerOptions options = PowerOptions::paper();
    options.priority = Priority::power(beta);
    options.prime_epochs = 0;
    RandomSelection random(options);
    double selected = 0, loss = 0, loss2 = 0, both = 0;
    run_epoch(random, 1, 0, n, kSlice, [&](const Slice& slice, const Selection& s) {
      for (const float l : slice.losses) loss += l, loss2 += double{l} * l;
      for (const std::int32_t row : s.rows) both += slice.losses[static_cast<std::size_t>(row)];
      selected += static_cast<double>(s.rows.size());
    });
    const double s = 1 / (beta + 1), mean = loss / n, fraction = selected / n;
    EXPECT_NEAR(fraction, s, kSigmas * binomial_sd(s, n));
    const double covariance = both / n - fraction * mean;
    const double sd = std::sqrt(fraction * (1 - fraction) * (loss2 / n - mean * mean));
    EXPECT_NEAR(covariance / sd, 0, kSigmas / std::sqrt(n));
  }
}

TEST(SelectiveBackprop, A09_SmallestProbability) {
  const std::int64_t n = std::int64_t{1} << 17;
  for (const auto& [beta, p_min] : {std::pair{1., .3}, {1., .05}, {2., .1}, {3., .5}}) {
    SelectiveBackpropOptions options = paper(beta);
    options.p_min = p_min;
    SelectiveBackprop sb(options);
    const double from = std::pow(p_min, 1 / beta);
    const double s = p_min + (1 - std::pow(from, beta + 1)) / (beta + 1) - p_min * (1 - from);
    if (beta == 1) {
      EXPECT_NEAR(s, (1 + p_min * p_min) / 2, 1e-12);
    }
    EXPECT_NEAR(selected_fraction(sb, n), s, kSigmas * binomial_sd(s, n) + .5 / 1024);
  }
}

TEST(SelectiveBackprop, A10_ReplaysThePublishedRun) {
  // CIFAR-10, beta 3: the authors' log reads 786 457 backprops at 60 epochs.
  const std::int64_t n = 50000, epochs = 60;
  SelectiveBackprop sb(paper(3, /*prime_epochs=*/1));
  std::int64_t selected = 0;
  std::vector<std::int64_t> by_epoch;
  for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
    const std::int64_t before = selected;
    run_epoch(sb, 1, epoch, n, kSlice,
              [&](const Slice&, const Selection& s) { selected += std::ssize(s.rows); });
    by_epoch.push_back(selected - before);
    if (epoch == 0) {
      EXPECT_EQ(sb.history().size(), 0) << "priming must not feed it";
    }
  }
  EXPECT_EQ(by_epoch[0], n);
  EXPECT_NEAR(static_cast<double>(selected), 786060, kSigmas * 745);
  EXPECT_NEAR(static_cast<double>(selected), 786457, kSigmas * 745 * std::sqrt(2));
}

}  // namespace
}  // namespace graft
