// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/score.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace graft {
namespace {

constexpr std::int64_t kBatch = 8;
constexpr double kPercent = 100;

std::int64_t first_class(const Outputs& o, std::int64_t i) {
  return std::max_element(o.row(i), o.row(i) + o.width) - o.row(i);
}

/// How many outputs are larger than that of `label`; equal ones count by index, as in a ranking.
std::int64_t rank_of(const Outputs& o, std::int64_t i, int label) {
  const float* row = o.row(i);
  std::int64_t rank = 0;
  for (std::int64_t c = 0; c < o.width; ++c) {
    if (row[c] > row[label] || (row[c] == row[label] && c < label)) ++rank;
  }
  return rank;
}

double mean_of(const float* row, std::int64_t n) {
  double sum = 0;
  for (std::int64_t c = 0; c < n; ++c) sum += static_cast<double>(row[c]);
  return sum / static_cast<double>(n);
}

double sqnr(const Outputs& o, const Outputs& reference) {
  double signal = 0, noise = 0;
  for (std::int64_t i = 0; i < o.images(); ++i) {
    const float *a = o.row(i), *b = reference.row(i);
    // A classifier's decision does not see what all logits have in common.
    const double a_mean = mean_of(a, o.width), b_mean = mean_of(b, o.width);
    for (std::int64_t c = 0; c < o.width; ++c) {
      const double have = static_cast<double>(a[c]) - a_mean;
      const double want = static_cast<double>(b[c]) - b_mean;
      signal += want * want;
      noise += (have - want) * (have - want);
    }
  }
  constexpr double kDecibel = 10;
  return noise > 0 ? kDecibel * std::log10(signal / noise)
                   : std::numeric_limits<double>::infinity();
}

}  // namespace

Outputs outputs_on(Context& ctx, Model& model, const ImageSet& set, std::int64_t count) {
  count = std::min(count, set.size());
  Outputs out;
  out.width = model.header().graph.node(model.header().output()).shape.numel();
  for (std::int64_t begin = 0; begin < count; begin += kBatch) {
    const std::int64_t n = std::min(kBatch, count - begin);
    const auto y = model.run(input_of(ctx, model.header(), set, begin, n));
    out.values.insert(out.values.end(), y.begin(), y.end());
  }
  const auto bad = std::find_if_not(out.values.begin(), out.values.end(),
                                    [](float v) { return std::isfinite(v); });
  if (bad != out.values.end()) {
    fail(Errc::kNumerical, set.source, ": an output of the model is ", *bad);
  }
  return out;
}

Score score_of(const Outputs& outputs, const Outputs& reference, const std::vector<int>& labels) {
  GRAFT_CHECK_EQ(outputs.values.size(), reference.values.size(), "score: outputs");
  constexpr std::int64_t kFive = 5;
  std::int64_t same = 0, first = 0, five = 0;
  for (std::int64_t i = 0; i < outputs.images(); ++i) {
    same += first_class(outputs, i) == first_class(reference, i) ? 1 : 0;
    if (labels.empty()) continue;
    const std::int64_t rank = rank_of(outputs, i, labels[static_cast<std::size_t>(i)]);
    first += rank == 0 ? 1 : 0;
    five += rank < kFive ? 1 : 0;
  }
  const double share = kPercent / static_cast<double>(outputs.images());
  Score score;
  score.agreement = share * static_cast<double>(same);
  score.sqnr_db = sqnr(outputs, reference);
  if (!labels.empty()) {
    score.top1 = share * static_cast<double>(first);
    score.top5 = share * static_cast<double>(five);
  }
  return score;
}

Json to_json(const Score& score) {
  const auto number = [](double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); };
  const auto known = [](const std::optional<double>& v) { return v ? Json(*v) : Json(nullptr); };
  return {{"top1", known(score.top1)},
          {"top5", known(score.top5)},
          {"agreement", score.agreement},
          {"sqnr_db", number(score.sqnr_db)}};
}

}  // namespace graft
