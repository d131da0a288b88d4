// SPDX-License-Identifier: Apache-2.0
#include "sampler/search/gaussian_process.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/rng.h"

namespace graft {
namespace {

using Point = GaussianProcess::Point;
using Hyper = GaussianProcess::Hyper;

struct Sample {
  std::vector<Point> x;
  std::vector<double> y;
};

/// y = f(x) + noise at uniform points.
template <class F>
Sample draw(std::uint64_t seed, int n, std::size_t dims, double noise, F&& f) {
  Philox rng({.seed = seed});
  Sample out;
  for (int i = 0; i < n; ++i) {
    Point x(dims);
    for (double& v : x) v = rng.uniform_double();
    out.y.push_back(f(x) + noise * rng.normal());
    out.x.push_back(std::move(x));
  }
  return out;
}

double wave(const Point& x) { return std::sin(5 * x[0]) + 0.5 * x[1]; }

TEST(GaussianProcess, PosteriorOfTwoPointsMatchesTheFormulas) {
  // Targets -1 and 1 are standardised already.
  const std::vector<Point> x = {{0.2}, {0.7}};
  const std::vector<double> y = {-1, 1};
  const Hyper hyper{.length = {0.5}, .signal_sd = 1.3, .noise_sd = 0.4};
  const auto k = [&](double a, double b) {
    const double r = std::sqrt(5.0) * std::abs(a - b) / 0.5;
    return 1.69 * (1 + r + r * r / 3) * std::exp(-r);
  };
  const double diagonal = 1.69 + 0.16, off = k(0.2, 0.7);
  const double determinant = diagonal * diagonal - off * off;
  for (const double at : {0.0, 0.2, 0.5, 1.0}) {
    const double a = k(at, 0.2), b = k(at, 0.7);
    const double mean = ((diagonal * b - off * a) - (diagonal * a - off * b)) / determinant;
    const double explained =
        (a * (diagonal * a - off * b) + b * (diagonal * b - off * a)) / determinant;
    const std::vector<Point> points = {{at}};
    const auto got = GaussianProcess(x, y, hyper).predict(points).at(0);
    EXPECT_NEAR(got.mean, mean, 1e-14);
    EXPECT_NEAR(got.variance, 1.69 - explained, 1e-14);
  }
  const double likelihood =
      -0.5 * (2 * (diagonal + off) / determinant + std::log(determinant)) - std::log(2 * M_PI);
  EXPECT_NEAR(GaussianProcess::log_marginal_likelihood(x, y, hyper), likelihood, 1e-13);
}

TEST(GaussianProcess, LikelihoodGradientMatchesFiniteDifferences) {
  const Sample s = draw(1, 15, 2, 0.1, wave);
  const std::vector<double> log_hyper = {std::log(0.4), std::log(1.7), std::log(1.2),
                                         std::log(0.15)};
  const auto hyper = [](const std::vector<double>& p) {
    return Hyper{.length = {std::exp(p[0]), std::exp(p[1])},
                 .signal_sd = std::exp(p[2]),
                 .noise_sd = std::exp(p[3])};
  };
  std::vector<double> gradient;
  (void)GaussianProcess::log_marginal_likelihood(s.x, s.y, hyper(log_hyper), &gradient);
  ASSERT_EQ(gradient.size(), 4U);
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < 4; ++i) {
    std::vector<double> up = log_hyper, down = log_hyper;
    up[i] += kStep;
    down[i] -= kStep;
    const double difference = (GaussianProcess::log_marginal_likelihood(s.x, s.y, hyper(up)) -
                               GaussianProcess::log_marginal_likelihood(s.x, s.y, hyper(down))) /
                              (2 * kStep);
    EXPECT_NEAR(gradient[i], difference, 1e-6 * (1 + std::abs(difference))) << i;
  }
}

TEST(GaussianProcess, FitFindsNoiseAndTheDimensionThatDoesNotMatter) {
  const Sample s = draw(2, 80, 2, 0.1, [](const Point& x) { return std::sin(6 * x[0]); });
  const Hyper hyper = GaussianProcess::fit(s.x, s.y);
  EXPECT_GT(hyper.length[1], 5 * hyper.length[0]);
  const double sd = 0.7;  // of the targets, about
  EXPECT_NEAR(hyper.noise_sd * sd, 0.1, 0.04);
  const Hyper isotropic = GaussianProcess::fit(s.x, s.y, GaussianProcess::Lengths::kIsotropic);
  EXPECT_EQ(isotropic.length[0], isotropic.length[1]);
  EXPECT_GT(GaussianProcess::log_marginal_likelihood(s.x, s.y, hyper),
            GaussianProcess::log_marginal_likelihood(s.x, s.y, isotropic));
}

TEST(GaussianProcess, PredictsUnseenPointsWithinItsOwnUncertainty) {
  const Sample s = draw(3, 60, 2, 0.05, wave), unseen = draw(4, 200, 2, 0, wave);
  const GaussianProcess process(s.x, s.y, GaussianProcess::fit(s.x, s.y));
  const auto predicted = process.predict(unseen.x);
  double squares = 0, z_squares = 0;
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    const double error = predicted[i].mean - unseen.y[i];
    squares += error * error;
    z_squares += error * error / predicted[i].variance;
  }
  const auto n = static_cast<double>(predicted.size());
  EXPECT_LT(std::sqrt(squares / n), 0.05);
  EXPECT_LT(z_squares / n, 3);
  EXPECT_GT(z_squares / n, 0.2);
}

TEST(GaussianProcess, SurvivesEqualTargetsAndRepeatedPoints) {
  const std::vector<Point> x(10, Point{0.5, 0.5});
  const std::vector<double> y(10, 0.7);
  const auto predicted = GaussianProcess(x, y, GaussianProcess::fit(x, y)).predict(x);
  for (const auto& p : predicted) EXPECT_NEAR(p.mean, 0.7, 1e-12);
}

TEST(GaussianProcess, ExpectedImprovementMatchesAnIntegral) {
  for (const double mean : {-1.0, 0.0, 0.3}) {
    for (const double sd : {0.1, 0.7}) {
      constexpr int kCells = 200'000;
      double sum = 0;
      for (int i = 0; i < kCells; ++i) {
        const double z = -8 + 16 * (i + 0.5) / kCells;
        sum += std::max(0.0, mean + sd * z - 0.2) * std::exp(-z * z / 2) * 16 / kCells;
      }
      EXPECT_NEAR(expected_improvement({mean, sd * sd}, 0.2), sum / std::sqrt(2 * M_PI), 1e-8);
    }
  }
  EXPECT_EQ(expected_improvement({0.5, 0}, 0.2), 0.3);
  EXPECT_EQ(expected_improvement({0.1, 0}, 0.2), 0);
}

}  // namespace
}  // namespace graft
