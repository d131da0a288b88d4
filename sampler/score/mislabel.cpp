// SPDX-License-Identifier: Apache-2.0
#include "sampler/score/mislabel.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/error.h"

namespace graft {
namespace {

constexpr double kRareQuantile = 0.05;  // share of examples that are called far from everything

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

double quantile(std::vector<float> values, double q) {
  const auto k = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + k, values.end());
  return values[at(k)];
}

/// Rows scaled to length 1; a zero row stays.
std::vector<float> normalised(const LabelEvidence& e) {
  std::vector<float> out(e.features.begin(), e.features.end());
  for (auto row = out.begin(); row != out.end(); row += e.dim) {
    const double norm = std::sqrt(std::inner_product(row, row + e.dim, row, 0.0));
    if (norm > 0)
      std::transform(row, row + e.dim, row,
                     [norm](float v) { return static_cast<float>(v / norm); });
  }
  return out;
}

/// (classes, dim): direction of the mean over each class's low-loss half.
std::vector<double> class_centres(const LabelEvidence& e, std::span<const float> rows) {
  std::vector<std::vector<std::int64_t>> members(at(e.classes));
  for (std::size_t i = 0; i < e.labels.size(); ++i) {
    members[at(e.labels[i])].push_back(static_cast<std::int64_t>(i));
  }
  std::vector<double> centres(at(e.classes * e.dim), 0.0);
  for (int c = 0; c < e.classes; ++c) {
    auto& ids = members[at(c)];
    const auto half = ids.begin() + static_cast<std::ptrdiff_t>((ids.size() + 1) / 2);
    std::nth_element(ids.begin(), half, ids.end(), [&](std::int64_t a, std::int64_t b) {
      return std::pair(e.losses[at(a)], a) < std::pair(e.losses[at(b)], b);
    });
    double* centre = centres.data() + c * e.dim;
    for (auto id = ids.begin(); id != half; ++id) {
      for (std::int64_t d = 0; d < e.dim; ++d) centre[d] += rows[at(*id * e.dim + d)];
    }
    const double norm = std::sqrt(std::inner_product(centre, centre + e.dim, centre, 0.0));
    if (norm > 0) std::for_each(centre, centre + e.dim, [norm](double& v) { v /= norm; });
  }
  return centres;
}

struct Similarity {
  std::int32_t nearest;
  double margin, closest;  // towards another class; cosine to the nearest centre
};

Similarity compare(const LabelEvidence& e, const float* row, std::int32_t label,
                   const std::vector<double>& centres) {
  double own = 0, other = -2;
  std::int32_t best_other = label;
  for (std::int32_t c = 0; c < e.classes; ++c) {
    const double cosine = std::inner_product(row, row + e.dim, centres.data() + c * e.dim, 0.0);
    if (c == label) {
      own = cosine;
    } else if (cosine > other) {
      other = cosine;
      best_other = c;
    }
  }
  return {other > own ? best_other : label, other - own, std::max(own, other)};
}

/// Two normal distributions on a line; returns each value's posterior of the upper one.
std::vector<float> upper_posterior(const std::vector<float>& x) {
  constexpr int kRounds = 100;
  const double low = quantile(x, 0.25), high = quantile(x, 0.98);
  const double spread = std::max((high - low) / 4, 1e-6);
  double mean[2] = {low, high}, variance[2] = {spread * spread, spread * spread};
  double share[2] = {0.8, 0.2};
  std::vector<float> posterior(x.size());
  for (int round = 0; round < kRounds; ++round) {
    double weight[2] = {}, sum[2] = {}, squares[2] = {};
    for (std::size_t i = 0; i < x.size(); ++i) {
      double density[2];
      for (int k = 0; k < 2; ++k) {
        const double z = x[i] - mean[k];
        density[k] = share[k] / std::sqrt(variance[k]) * std::exp(-z * z / (2 * variance[k]));
      }
      const double total = density[0] + density[1];
      const double p = total > 0 ? density[1] / total : (x[i] > mean[1] ? 1.0 : 0.0);
      posterior[i] = static_cast<float>(x[i] < mean[0] ? 0 : p);
      for (int k = 0; k < 2; ++k) {
        const double r = k == 1 ? p : 1 - p;
        weight[k] += r;
        sum[k] += r * x[i];
        squares[k] += r * x[i] * x[i];
      }
    }
    for (int k = 0; k < 2; ++k) {
      if (weight[k] < 1e-9) continue;
      mean[k] = sum[k] / weight[k];
      variance[k] = std::max(squares[k] / weight[k] - mean[k] * mean[k], 1e-8);
      share[k] = weight[k] / static_cast<double>(x.size());
    }
  }
  return posterior;
}

void check(const LabelEvidence& e) {
  const auto n = e.labels.size();
  GRAFT_CHECK(e.classes >= 2, "judge_labels: ", e.classes, " classes");
  GRAFT_CHECK(e.dim >= 1 && e.features.size() == n * at(e.dim) && e.losses.size() == n,
              "judge_labels: ", n, " labels, ", e.losses.size(), " losses, ", e.features.size(),
              " features of width ", e.dim);
  for (const std::int32_t label : e.labels) {
    GRAFT_CHECK(label >= 0 && label < e.classes, "judge_labels: label ", label, " of ", e.classes);
  }
}

}  // namespace

std::vector<LabelOpinion> judge_labels(const LabelEvidence& evidence, double threshold) {
  check(evidence);
  const std::size_t n = evidence.labels.size();
  if (n == 0) return {};
  const std::vector<float> rows = normalised(evidence);
  const std::vector<double> centres = class_centres(evidence, rows);
  std::vector<LabelOpinion> out(n);
  std::vector<float> margins(n), closest(n);
  for (std::size_t i = 0; i < n; ++i) {
    const Similarity s =
        compare(evidence, rows.data() + i * at(evidence.dim), evidence.labels[i], centres);
    margins[i] = out[i].margin = static_cast<float>(s.margin);
    closest[i] = static_cast<float>(s.closest);
    out[i].nearest = s.nearest;
  }
  const std::vector<float> posterior = upper_posterior(margins);
  const std::vector<float> losses(evidence.losses.begin(), evidence.losses.end());
  const double median = quantile(losses, 0.5), far = quantile(closest, kRareQuantile);
  for (std::size_t i = 0; i < n; ++i) {
    out[i].posterior = posterior[i];
    if (losses[i] <= median) continue;
    if (closest[i] < far) {
      out[i].verdict = LabelVerdict::kRare;
    } else if (posterior[i] > threshold && margins[i] > 0) {
      out[i].verdict = LabelVerdict::kMislabel;
    }
  }
  return out;
}

FlagQuality flag_quality(std::span<const std::int64_t> flagged,
                         std::span<const std::int64_t> wrong) {
  std::vector<std::int64_t> both;
  std::set_intersection(flagged.begin(), flagged.end(), wrong.begin(), wrong.end(),
                        std::back_inserter(both));
  const auto hits = static_cast<double>(both.size());
  return {.precision = flagged.empty() ? 1 : hits / static_cast<double>(flagged.size()),
          .recall = wrong.empty() ? 1 : hits / static_cast<double>(wrong.size())};
}

}  // namespace graft
