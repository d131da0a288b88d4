// SPDX-License-Identifier: Apache-2.0
// From the values that a network takes on over some images to the ranges that 8 bits stand for.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/model/model.h"

namespace graft {

enum class CalibrationMethod : std::uint8_t {
  kMinMax,      ///< the largest magnitude seen
  kPercentile,  ///< the magnitude that 99.99 % of the values other than 0 do not exceed
  kEntropy,     ///< that which keeps the Kullback-Leibler divergence of the 8-bit histogram least
};

/// "minmax", "percentile" or "entropy".
[[nodiscard]] std::string_view name(CalibrationMethod method);
/// Inverse of name(). Throws Error(kUsage).
[[nodiscard]] CalibrationMethod parse_calibration_method(std::string_view text);
[[nodiscard]] const std::vector<CalibrationMethod>& calibration_methods();

/// Magnitudes of one value, in equal bins from 0 on. Their width is a power of two and doubles when
/// a larger value comes, so the result does not depend on order or batch. Zeros are not counted: 8
/// bits hold them exactly.
class MagnitudeHistogram {
 public:
  static constexpr std::size_t kBins = 4096;

  /// Throws Error(kNumerical) for a value that is not finite.
  void add(std::span<const float> values);
  [[nodiscard]] float largest() const { return largest_; }
  /// What the largest of `levels` steps stands for. 0 if there were only zeros.
  [[nodiscard]] float range(CalibrationMethod method, int levels) const;

 private:
  void widen(float to);
  [[nodiscard]] double percentile() const;
  [[nodiscard]] double least_divergence(int levels) const;

  std::vector<std::uint64_t> counts_;
  float width_ = 0;  // of a bin
  float largest_ = 0;
};

/// The histograms of a floating model's values.
class Calibration {
 public:
  /// Runs x (N,H,W,3), preprocessed images, through the model. Throws Error(kNumerical) naming the
  /// node whose value is not finite.
  void see(Model& model, const Tensor& x);
  /// Of the value that node `node` of the inference form makes.
  [[nodiscard]] const MagnitudeHistogram& of(const std::string& node) const;
  [[nodiscard]] std::int64_t images() const { return images_; }

 private:
  std::map<std::string, MagnitudeHistogram> histograms_;
  std::int64_t images_ = 0;
};

}  // namespace graft
