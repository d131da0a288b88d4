// SPDX-License-Identifier: Apache-2.0
// What the next loss of an example may be, from those that it had.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sampler/score/example_values.h"

namespace graft {

/// A guess and how far off it may be; both NaN for an example that was never observed.
struct LossPrediction {
  double mean = 0;
  double deviation = 0;
};

/// Learns the losses of examples one by one. `epoch` does not fall from call to call.
class LossPredictor {
 public:
  using Arrays = std::map<std::string, std::vector<float>>;

  LossPredictor() = default;
  LossPredictor(const LossPredictor&) = delete;
  LossPredictor& operator=(const LossPredictor&) = delete;
  virtual ~LossPredictor() = default;

  virtual void observe(std::int64_t id, std::int64_t epoch, double loss) = 0;
  [[nodiscard]] virtual LossPrediction predict(std::int64_t id, std::int64_t epoch) const = 0;

  /// Everything it has learnt.
  [[nodiscard]] virtual Arrays arrays() const = 0;
  /// Inverse of arrays(); more arrays may be there. Throws Error(kModel) if one is missing or of
  /// a wrong length.
  virtual void restore(const Arrays& arrays) = 0;
};

/// Moving averages as of a TCP timer: mean <- 7/8 mean + 1/8 y, deviation <- 3/4 deviation +
/// 1/4 |mean - y|; at first y and y / 2. Source: the authors' predictors, spec section 4.4.
class EwmaPredictor final : public LossPredictor {
 public:
  void observe(std::int64_t id, std::int64_t epoch, double loss) override;
  [[nodiscard]] LossPrediction predict(std::int64_t id, std::int64_t epoch) const override;
  [[nodiscard]] Arrays arrays() const override;
  void restore(const Arrays& arrays) override;

 private:
  ExampleValues mean_, deviation_;
};

/// An exact Gaussian process over the last `window` losses of each example, as a function of the
/// epoch: mean of the window, Matern 3/2 of length 2 and white noise of a quarter of its variance.
/// All examples share the kernel; its variance follows the squared errors of the predictions.
class GpPredictor final : public LossPredictor {
 public:
  /// window: 1 to 16.
  explicit GpPredictor(std::int64_t window);

  void observe(std::int64_t id, std::int64_t epoch, double loss) override;
  [[nodiscard]] LossPrediction predict(std::int64_t id, std::int64_t epoch) const override;
  [[nodiscard]] Arrays arrays() const override;
  void restore(const Arrays& arrays) override;

 private:
  struct Unscaled {
    double mean = 0, variance = 0;  ///< variance: in units of the kernel's
  };
  [[nodiscard]] std::int64_t observations(std::int64_t id) const;
  [[nodiscard]] Unscaled unscaled(std::int64_t id, std::int64_t epoch) const;

  std::int64_t window_;
  ExampleValues losses_, epochs_;  // window_ places an example, oldest first
  double variance_ = 0;            // of the kernel
  std::int64_t errors_ = 0;        // that it was learnt from
};

}  // namespace graft
