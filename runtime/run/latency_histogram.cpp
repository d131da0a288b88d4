// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/latency_histogram.h"

#include <algorithm>
#include <cmath>

namespace graft::run {
namespace {

constexpr double kLeast = 1e-5;

}  // namespace

void LatencyHistogram::add(double seconds) {
  const double octave = seconds > kLeast ? std::log2(seconds / kLeast) : 0;
  const auto last = static_cast<double>(counts_.size() - 1);
  ++counts_[static_cast<std::size_t>(std::min(last, std::ceil(kPerOctave * octave)))];
  ++count_;
  sum_s_ += seconds;
}

double LatencyHistogram::quantile_s(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<std::int64_t>(std::ceil(share * static_cast<double>(count_)));
  std::int64_t seen = 0;
  std::size_t i = 0;
  while (i + 1 < counts_.size() && (seen += counts_[i]) < wanted) ++i;
  // The middle of the class.
  return kLeast * std::exp2((static_cast<double>(i) - 0.5) / kPerOctave);
}

std::vector<std::pair<double, std::int64_t>> LatencyHistogram::cumulative() const {
  std::vector<std::pair<double, std::int64_t>> out;
  std::int64_t sum = counts_[0];
  for (int octave = 1; octave < kOctaves; ++octave) {
    for (int i = 0; i < kPerOctave; ++i) {
      sum += counts_[static_cast<std::size_t>(kPerOctave * (octave - 1) + i + 1)];
    }
    out.emplace_back(kLeast * std::exp2(octave), sum);
  }
  return out;
}

}  // namespace graft::run
