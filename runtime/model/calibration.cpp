// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/core/text.h"

namespace graft {
namespace {

constexpr std::array<std::string_view, 3> kNames = {"minmax", "percentile", "entropy"};
constexpr double kShare = 0.9999;

std::span<const float> elements(const Tensor& t) {
  return {t.ptr<const float>(), static_cast<std::size_t>(t.numel())};
}

/// The histogram `counts` as `levels` steps hold it: what falls into one step is spread evenly over
/// its bins that are not empty.
void quantise_histogram(std::span<const double> counts, int levels, std::vector<double>& out) {
  out.assign(counts.size(), 0);
  const auto n = counts.size(), steps = static_cast<std::size_t>(levels);
  for (std::size_t step = 0; step < steps; ++step) {
    const std::size_t begin = step * n / steps, end = (step + 1) * n / steps;
    double sum = 0, filled = 0;
    for (std::size_t i = begin; i < end; ++i) {
      sum += counts[i];
      filled += counts[i] > 0 ? 1 : 0;
    }
    for (std::size_t i = begin; i < end; ++i) {
      if (counts[i] > 0) out[i] = sum / filled;
    }
  }
}

/// sum p log(p / q), both brought to a sum of 1; a bin that only p fills counts as almost empty.
double divergence(std::span<const double> p, std::span<const double> q) {
  constexpr double kAlmostEmpty = 1e-9;
  double p_sum = 0, q_sum = 0, d = 0;
  for (std::size_t i = 0; i < p.size(); ++i) p_sum += p[i], q_sum += q[i];
  if (p_sum <= 0 || q_sum <= 0) return std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] <= 0) continue;
    const double share = p[i] / p_sum;
    d += share * std::log(share / std::max(q[i] / q_sum, kAlmostEmpty));
  }
  return d;
}

/// Takes the observer off a model whatever happens.
struct Observed {
  Model& model;
  Observed(Model& m, Executor::Observer observer) : model(m) {
    model.set_observer(std::move(observer));
  }
  Observed(const Observed&) = delete;
  Observed& operator=(const Observed&) = delete;
  ~Observed() { model.set_observer({}); }
};

}  // namespace

std::string_view name(CalibrationMethod method) { return kNames[static_cast<std::size_t>(method)]; }

CalibrationMethod parse_calibration_method(std::string_view text) {
  const auto found = std::find(kNames.begin(), kNames.end(), text);
  if (found == kNames.end()) {
    const std::vector<std::string> names(kNames.begin(), kNames.end());
    fail(Errc::kUsage, "unknown calibration method '", text, "'; there are ", join(names, ", "),
         did_you_mean(std::string(text), names));
  }
  return static_cast<CalibrationMethod>(found - kNames.begin());
}

const std::vector<CalibrationMethod>& calibration_methods() {
  static const std::vector<CalibrationMethod> all = {
      CalibrationMethod::kMinMax, CalibrationMethod::kPercentile, CalibrationMethod::kEntropy};
  return all;
}

void MagnitudeHistogram::add(std::span<const float> values) {
  float most = 0;
  for (const float v : values) {
    if (!std::isfinite(v)) fail(Errc::kNumerical, "a value is ", v);
    most = std::max(most, std::fabs(v));
  }
  if (most == 0) return;
  largest_ = std::max(largest_, most);
  if (counts_.empty()) {
    counts_.assign(kBins, 0);
    const float narrowest = std::numeric_limits<float>::min();
    width_ = std::exp2(std::ceil(std::log2(std::max(most / kBins, narrowest))));
  }
  widen(most);
  for (const float v : values) {
    if (v == 0) continue;
    const auto bin = static_cast<std::size_t>(std::fabs(v) / width_);
    ++counts_[std::min(bin, kBins - 1)];
  }
}

void MagnitudeHistogram::widen(float to) {
  while (width_ * kBins < to) {
    for (std::size_t i = 0; i < kBins / 2; ++i) counts_[i] = counts_[2 * i] + counts_[2 * i + 1];
    std::fill(counts_.begin() + kBins / 2, counts_.end(), 0);
    width_ *= 2;
  }
}

float MagnitudeHistogram::range(CalibrationMethod method, int levels) const {
  if (counts_.empty()) return 0;
  double range = static_cast<double>(largest_);
  if (method == CalibrationMethod::kPercentile) range = std::min(range, percentile());
  if (method == CalibrationMethod::kEntropy) range = std::min(range, least_divergence(levels));
  return static_cast<float>(range);
}

double MagnitudeHistogram::percentile() const {
  std::uint64_t total = 0;
  for (const std::uint64_t c : counts_) total += c;
  const double wanted = kShare * static_cast<double>(total);
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    below += counts_[i];
    if (static_cast<double>(below) >= wanted) return static_cast<double>(i + 1) * width_;
  }
  return static_cast<double>(largest_);
}

// Source: Migacz, 8-bit Inference with TensorRT, GTC 2017.
double MagnitudeHistogram::least_divergence(int levels) const {
  constexpr std::size_t kStride = 16;
  const std::vector<double> counts(counts_.begin(), counts_.end());
  std::vector<double> p, q;
  double best = std::numeric_limits<double>::infinity(), range = static_cast<double>(largest_);
  double outside = 0;
  for (const double c : counts) outside += c;
  std::size_t seen = 0;
  for (auto n = static_cast<std::size_t>(levels); n <= kBins; n += kStride) {
    while (seen < n) outside -= counts[seen++];
    p.assign(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(n));
    quantise_histogram(p, levels, q);
    p.back() += outside;  // clipped values take the largest step
    const double d = divergence(p, q);
    if (d < best) {
      best = d;
      range = static_cast<double>(n) * width_;
    }
  }
  return range;
}

void Calibration::see(Model& model, const Tensor& x) {
  const auto record = [&](ValueId id) {
    const std::string& name = model.executor().graph().node(id).name;
    try {
      histograms_[name].add(elements(model.executor().value(id)));
    } catch (const Error& e) {
      fail(e.code(), "calibration: node ", name, ": ", e.what(), "; is the model sound?");
    }
  };
  const Observed observed(model, [&](ValueId id, bool, double) { record(id); });
  (void)model.run(x);
  record(model.executor().graph().find(kImageInput));
  images_ += x.shape()[0];
}

const MagnitudeHistogram& Calibration::of(const std::string& node) const {
  const auto found = histograms_.find(node);
  GRAFT_CHECK(found != histograms_.end(), "calibration: nothing was seen of ", node);
  return found->second;
}

}  // namespace graft
