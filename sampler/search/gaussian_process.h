// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <vector>

namespace graft {

/// Regression y = f(x) + noise under a Gaussian-process prior with the Matern 5/2 kernel
///   k(r) = signal_sd^2 (1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r),  r^2 = sum_i (dx_i /
///   length_i)^2.
/// Targets are standardised inside. All in f64. An immutable value; copies share. Deterministic.
/// Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, 2.2, 4.2, 5.4.
class GaussianProcess {
 public:
  using Point = std::vector<double>;
  /// In units of standardised targets; lengths in units of the inputs.
  struct Hyper {
    std::vector<double> length;  ///< one for each dimension
    double signal_sd = 1;
    double noise_sd = 0.1;
  };
  /// Of f, without noise, in units of the targets.
  struct Prediction {
    double mean = 0, variance = 0;
  };
  enum class Lengths { kIsotropic, kPerDimension };

  /// Conditions on `y` at the points `x`. At least one; equal dimensions, as many as lengths.
  GaussianProcess(std::span<const Point> x, std::span<const double> y, Hyper hyper);

  /// Maximises the log marginal likelihood by Rprop within length [0.05, 20], signal_sd [0.05, 20],
  /// noise_sd [1e-3, 2], from a short and a long start.
  /// Source: Blum and Riedmiller, "Optimization of Gaussian Process Hyperparameters using Rprop",
  /// ESANN 2013.
  [[nodiscard]] static Hyper fit(std::span<const Point> x, std::span<const double> y,
                                 Lengths lengths = Lengths::kPerDimension);

  /// log p(standardised y | x, hyper); `gradient`, if given, receives its derivatives with respect
  /// to the logarithms of lengths, signal_sd and noise_sd, in this order.
  [[nodiscard]] static double log_marginal_likelihood(std::span<const Point> x,
                                                      std::span<const double> y, const Hyper& hyper,
                                                      std::vector<double>* gradient = nullptr);

  /// One prediction a point.
  [[nodiscard]] std::vector<Prediction> predict(std::span<const Point> points) const;

 private:
  struct Posterior;
  std::shared_ptr<const Posterior> posterior_;
};

/// E[max(f - best, 0)] for f ~ N(mean, variance); maximisation.
/// Source: Jones, Schonlau and Welch, "Efficient Global Optimization", 1998, eq. 15.
[[nodiscard]] double expected_improvement(const GaussianProcess::Prediction& f, double best);

}  // namespace graft
