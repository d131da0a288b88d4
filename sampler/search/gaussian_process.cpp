// SPDX-License-Identifier: Apache-2.0
#include "sampler/search/gaussian_process.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "engine/core/error.h"

namespace graft {
namespace {

using Eigen::ArrayXXd;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using Hyper = GaussianProcess::Hyper;
using Point = GaussianProcess::Point;

const double kSqrt5 = std::sqrt(5.0);

/// (dims, n): one point a column.
MatrixXd to_matrix(std::span<const Point> points, std::size_t dims) {
  MatrixXd out(dims, points.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    GRAFT_CHECK_EQ(points[i].size(), dims);
    out.col(static_cast<Eigen::Index>(i)) =
        Eigen::Map<const VectorXd>(points[i].data(), out.rows());
  }
  return out;
}

struct Standardised {
  VectorXd values;
  double mean = 0, sd = 1;
};

Standardised standardise(std::span<const double> y) {
  Standardised out;
  const Eigen::Map<const VectorXd> values(y.data(), std::ssize(y));
  out.mean = values.mean();
  const double sd = std::sqrt((values.array() - out.mean).square().mean());
  if (sd > 0) out.sd = sd;
  out.values = (values.array() - out.mean) / out.sd;
  return out;
}

/// Squared differences (n, m) of coordinate `dim` between the columns of a and of b.
ArrayXXd squared_differences(const MatrixXd& a, const MatrixXd& b, Eigen::Index dim) {
  return (a.row(dim).transpose().replicate(1, b.cols()) - b.row(dim).replicate(a.cols(), 1))
      .array()
      .square();
}

ArrayXXd matern(const ArrayXXd& r, double signal_sd) {
  return signal_sd * signal_sd * (1 + kSqrt5 * r + 5.0 / 3 * r.square()) * (-kSqrt5 * r).exp();
}

ArrayXXd distance(const MatrixXd& a, const MatrixXd& b, const Hyper& hyper) {
  ArrayXXd r2 = ArrayXXd::Zero(a.cols(), b.cols());
  for (Eigen::Index d = 0; d < a.rows(); ++d) {
    const double length = hyper.length[static_cast<std::size_t>(d)];
    r2 += squared_differences(a, b, d) / (length * length);
  }
  return r2.sqrt();
}

/// The marginal likelihood as a function of the hyper-parameters: inputs are prepared once.
class Likelihood {
 public:
  Likelihood(std::span<const Point> x, std::span<const double> y) : y_(standardise(y).values) {
    GRAFT_CHECK(!x.empty() && x.size() == y.size(), x.size(), " points, ", y.size(), " targets");
    const MatrixXd points = to_matrix(x, x[0].size());
    for (Eigen::Index d = 0; d < points.rows(); ++d) {
      squares_.push_back(squared_differences(points, points, d));
    }
  }

  [[nodiscard]] std::size_t dims() const { return squares_.size(); }

  double operator()(const Hyper& hyper, std::vector<double>* gradient) const {
    constexpr double kLogTwoPi = 1.8378770664093453;
    const Eigen::Index n = y_.size();
    ArrayXXd r2 = ArrayXXd::Zero(n, n);
    for (std::size_t d = 0; d < dims(); ++d) {
      r2 += squares_[d] / (hyper.length[d] * hyper.length[d]);
    }
    const ArrayXXd r = r2.sqrt();
    const ArrayXXd k = matern(r, hyper.signal_sd);
    const double noise = hyper.noise_sd * hyper.noise_sd;
    const Eigen::LLT<MatrixXd> llt(k.matrix() + noise * MatrixXd::Identity(n, n));
    const VectorXd alpha = llt.solve(y_);
    if (gradient != nullptr) {
      // dL/dt = 1/2 tr((alpha alpha' - K^-1) dK/dt)
      const ArrayXXd weight =
          (alpha * alpha.transpose() - llt.solve(MatrixXd::Identity(n, n))).array() / 2;
      const ArrayXXd slope = weight * (hyper.signal_sd * hyper.signal_sd * 5.0 / 3) *
                             (1 + kSqrt5 * r) * (-kSqrt5 * r).exp();
      gradient->clear();
      for (std::size_t d = 0; d < dims(); ++d) {
        gradient->push_back((slope * squares_[d]).sum() / (hyper.length[d] * hyper.length[d]));
      }
      gradient->push_back(2 * (weight * k).sum());
      gradient->push_back(2 * noise * weight.matrix().trace());
    }
    const double log_determinant = 2 * llt.matrixLLT().diagonal().array().log().sum();
    return -0.5 * (y_.dot(alpha) + log_determinant + static_cast<double>(n) * kLogTwoPi);
  }

 private:
  VectorXd y_;
  std::vector<ArrayXXd> squares_;
};

/// The free parameters of a fit: logarithms of lengths (one, or one a dimension), signal, noise.
struct Parameters {
  std::vector<double> log;

  Parameters(std::size_t n_lengths, double length, double noise)
      : log(n_lengths, std::log(length)) {
    log.push_back(0);
    log.push_back(std::log(noise));
  }
  [[nodiscard]] std::size_t n_lengths() const { return log.size() - 2; }
  [[nodiscard]] Hyper hyper(std::size_t dims) const {
    Hyper out;
    for (std::size_t d = 0; d < dims; ++d) {
      out.length.push_back(std::exp(log[n_lengths() == 1 ? 0 : d]));
    }
    out.signal_sd = std::exp(log[n_lengths()]);
    out.noise_sd = std::exp(log.back());
    return out;
  }
  /// The derivatives with respect to these parameters: a shared length gets the sum.
  [[nodiscard]] std::vector<double> fold(const std::vector<double>& gradient) const {
    if (gradient.size() == log.size()) return gradient;
    std::vector<double> out = {0};
    for (std::size_t d = 0; d + 2 < gradient.size(); ++d) out[0] += gradient[d];
    out.insert(out.end(), gradient.end() - 2, gradient.end());
    return out;
  }
  [[nodiscard]] std::pair<double, double> bounds(std::size_t i) const {
    if (i + 1 == log.size()) return {std::log(1e-3), std::log(2.0)};
    return {std::log(0.05), std::log(20.0)};
  }
};

/// iRprop-: each parameter steps by its own size, which grows while the sign of its derivative
/// stays. Returns the best value seen; `parameters` ends there.
double maximise(const Likelihood& likelihood, Parameters& parameters) {
  constexpr int kSteps = 40;
  constexpr double kGrow = 1.2, kShrink = 0.5, kFirst = 0.2, kMost = 1, kEnough = 1e-3;
  const std::size_t n = parameters.log.size();
  std::vector<double> step(n, kFirst), previous(n, 0), gradient;
  Parameters best = parameters;
  double best_value = -std::numeric_limits<double>::infinity();
  for (int iteration = 0; iteration < kSteps; ++iteration) {
    const double value = likelihood(parameters.hyper(likelihood.dims()), &gradient);
    if (value > best_value) {
      best_value = value;
      best = parameters;
    }
    gradient = parameters.fold(gradient);
    double moved = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double turn = gradient[i] * previous[i];
      if (turn > 0) step[i] = std::min(step[i] * kGrow, kMost);
      if (turn < 0) step[i] *= kShrink;
      previous[i] = turn < 0 ? 0 : gradient[i];
      const auto [low, high] = parameters.bounds(i);
      const double from = parameters.log[i];
      const double by = previous[i] == 0 ? 0 : std::copysign(step[i], previous[i]);
      parameters.log[i] = std::clamp(from + by, low, high);
      moved = std::max({moved, std::abs(parameters.log[i] - from), turn < 0 ? step[i] : 0});
    }
    if (moved < kEnough) break;
  }
  parameters = best;
  return best_value;
}

}  // namespace

struct GaussianProcess::Posterior {
  MatrixXd x;  // (dims, n)
  Hyper hyper;
  double mean = 0, sd = 1;  // of the targets
  Eigen::LLT<MatrixXd> llt;
  VectorXd alpha;
};

GaussianProcess::GaussianProcess(std::span<const Point> x, std::span<const double> y, Hyper hyper) {
  GRAFT_CHECK(!x.empty() && x.size() == y.size(), x.size(), " points, ", y.size(), " targets");
  auto posterior = std::make_shared<Posterior>();
  posterior->x = to_matrix(x, hyper.length.size());
  const Standardised targets = standardise(y);
  posterior->mean = targets.mean;
  posterior->sd = targets.sd;
  MatrixXd k = matern(distance(posterior->x, posterior->x, hyper), hyper.signal_sd).matrix();
  k.diagonal().array() += hyper.noise_sd * hyper.noise_sd;
  posterior->llt.compute(k);
  posterior->alpha = posterior->llt.solve(targets.values);
  posterior->hyper = std::move(hyper);
  posterior_ = std::move(posterior);
}

Hyper GaussianProcess::fit(std::span<const Point> x, std::span<const double> y, Lengths lengths) {
  const Likelihood likelihood(x, y);
  const std::size_t n_lengths = lengths == Lengths::kIsotropic ? 1 : likelihood.dims();
  std::array starts = {Parameters(n_lengths, 0.3, 0.1), Parameters(n_lengths, 2, 0.1)};
  const double value_short = maximise(likelihood, starts[0]);
  const double value_long = maximise(likelihood, starts[1]);
  return starts[value_long >= value_short ? 1 : 0].hyper(likelihood.dims());
}

double GaussianProcess::log_marginal_likelihood(std::span<const Point> x, std::span<const double> y,
                                                const Hyper& hyper, std::vector<double>* gradient) {
  return Likelihood(x, y)(hyper, gradient);
}

std::vector<GaussianProcess::Prediction> GaussianProcess::predict(
    std::span<const Point> points) const {
  const Posterior& p = *posterior_;
  if (points.empty()) return {};
  const MatrixXd at = to_matrix(points, p.hyper.length.size());
  const MatrixXd k = matern(distance(p.x, at, p.hyper), p.hyper.signal_sd).matrix();  // (n, m)
  const VectorXd mean = k.transpose() * p.alpha;
  const MatrixXd whitened = p.llt.matrixL().solve(k);
  const VectorXd explained = whitened.colwise().squaredNorm();
  std::vector<Prediction> out(points.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    const double prior = p.hyper.signal_sd * p.hyper.signal_sd;
    out[i].mean = p.mean + p.sd * mean[row];
    out[i].variance = p.sd * p.sd * std::max(0.0, prior - explained[row]);
  }
  return out;
}

double expected_improvement(const GaussianProcess::Prediction& f, double best) {
  const double gain = f.mean - best, sd = std::sqrt(f.variance);
  if (sd == 0) return std::max(0.0, gain);
  const double z = gain / sd;
  const double density = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
  const double below = std::erfc(-z / M_SQRT2) / 2;
  return std::max(0.0, gain * below + sd * density);
}

}  // namespace graft
