// SPDX-License-Identifier: Apache-2.0
#include "sampler/score/loss_predictor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <Eigen/Cholesky>

#include "engine/core/error.h"

namespace graft {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

const std::vector<float>& saved(const LossPredictor::Arrays& arrays, const char* key) {
  const auto found = arrays.find(key);
  if (found == arrays.end()) {
    fail(Errc::kModel, "checkpoint: the loss predictor lacks its array ", key);
  }
  return found->second;
}

/// Covariance of two epochs, 1 at distance 0.
double matern(double distance) {
  constexpr double kLength = 2, kSqrt3 = 1.7320508075688772;
  const double r = kSqrt3 * std::abs(distance) / kLength;
  return (1 + r) * std::exp(-r);
}

}  // namespace

void EwmaPredictor::observe(std::int64_t id, std::int64_t, double loss) {
  if (!mean_.known(id)) {
    mean_.set(id, static_cast<float>(loss));
    deviation_.set(id, static_cast<float>(loss / 2));
    return;
  }
  const auto mean = static_cast<double>(mean_[id]);
  const auto deviation = static_cast<double>(deviation_[id]);
  deviation_.set(id, static_cast<float>(0.75 * deviation + 0.25 * std::abs(mean - loss)));
  mean_.set(id, static_cast<float>(0.875 * mean + 0.125 * loss));
}

LossPrediction EwmaPredictor::predict(std::int64_t id, std::int64_t) const {
  return {static_cast<double>(mean_[id]), static_cast<double>(deviation_[id])};
}

LossPredictor::Arrays EwmaPredictor::arrays() const {
  return {{"ewma.mean", mean_.values()}, {"ewma.deviation", deviation_.values()}};
}

void EwmaPredictor::restore(const Arrays& arrays) {
  const auto &mean = saved(arrays, "ewma.mean"), &deviation = saved(arrays, "ewma.deviation");
  if (mean.size() != deviation.size()) {
    fail(Errc::kModel, "checkpoint: the loss predictor has ", mean.size(), " means and ",
         deviation.size(), " deviations");
  }
  mean_.restore(mean);
  deviation_.restore(deviation);
}

GpPredictor::GpPredictor(std::int64_t window) : window_(window) {
  GRAFT_CHECK(window >= 1 && window <= 16, "window of ", window, " losses");
}

std::int64_t GpPredictor::observations(std::int64_t id) const {
  std::int64_t n = 0;
  while (n < window_ && losses_.known(id * window_ + n)) ++n;
  return n;
}

GpPredictor::Unscaled GpPredictor::unscaled(std::int64_t id, std::int64_t epoch) const {
  constexpr double kNoise = 0.25;  // of the kernel's variance
  const auto n = static_cast<Eigen::Index>(observations(id));
  if (n == 0) return {kNaN, kNaN};
  Eigen::MatrixXd k(n, n);
  Eigen::VectorXd y(n), at(n);
  const auto time = [&](Eigen::Index i) { return static_cast<double>(epochs_[id * window_ + i]); };
  for (Eigen::Index i = 0; i < n; ++i) {
    y[i] = static_cast<double>(losses_[id * window_ + i]);
    at[i] = matern(static_cast<double>(epoch) - time(i));
    for (Eigen::Index j = 0; j < n; ++j) k(i, j) = matern(time(i) - time(j));
    k(i, i) += kNoise;
  }
  const double prior = y.mean();
  const Eigen::LLT<Eigen::MatrixXd> factor(k);
  const Eigen::VectorXd weights = factor.solve(at);
  return {prior + weights.dot((y.array() - prior).matrix()), 1 + kNoise - weights.dot(at)};
}

LossPrediction GpPredictor::predict(std::int64_t id, std::int64_t epoch) const {
  const Unscaled p = unscaled(id, epoch);
  return {p.mean, std::sqrt(variance_ * p.variance)};
}

void GpPredictor::observe(std::int64_t id, std::int64_t epoch, double loss) {
  constexpr std::int64_t kMemory = 1024;  // errors that the variance is averaged over
  std::int64_t n = observations(id);
  if (n > 0) {
    const Unscaled p = unscaled(id, epoch);
    const double error = (loss - p.mean) * (loss - p.mean) / p.variance;
    errors_ = std::min(errors_ + 1, kMemory);
    variance_ += (error - variance_) / static_cast<double>(errors_);
  }
  if (n == window_) {
    for (std::int64_t i = 1; i < window_; ++i) {
      losses_.set(id * window_ + i - 1, losses_[id * window_ + i]);
      epochs_.set(id * window_ + i - 1, epochs_[id * window_ + i]);
    }
    --n;
  }
  losses_.set(id * window_ + n, static_cast<float>(loss));
  epochs_.set(id * window_ + n, static_cast<float>(epoch));
  // Kept as a checkpoint keeps it, so that a resume goes on with the same bits.
  variance_ = static_cast<double>(static_cast<float>(variance_));
}

LossPredictor::Arrays GpPredictor::arrays() const {
  return {{"gp.losses", losses_.values()},
          {"gp.epochs", epochs_.values()},
          {"gp.variance", {static_cast<float>(variance_), static_cast<float>(errors_)}}};
}

void GpPredictor::restore(const Arrays& arrays) {
  const auto &losses = saved(arrays, "gp.losses"), &epochs = saved(arrays, "gp.epochs"),
             &variance = saved(arrays, "gp.variance");
  if (losses.size() != epochs.size() || variance.size() != 2) {
    fail(Errc::kModel, "checkpoint: the loss predictor has ", losses.size(), " losses, ",
         epochs.size(), " epochs and ", variance.size(), " values of its variance, not 2");
  }
  losses_.restore(losses);
  epochs_.restore(epochs);
  variance_ = static_cast<double>(variance[0]);
  errors_ = static_cast<std::int64_t>(variance[1]);
}

}  // namespace graft
