// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/selection_monitor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "engine/core/error.h"

namespace graft::train {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Rank of every value from 0, ties share their mean.
std::vector<double> ranks(std::span<const float> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
    while (last < order.size() && !(values[order[first]] < values[order[last]])) ++last;
    const double mean = static_cast<double>(first + last - 1) / 2;
    for (std::size_t i = first; i < last; ++i) rank[order[i]] = mean;
  }
  return rank;
}

}  // namespace

double rank_correlation(std::span<const float> a, std::span<const float> b) {
  GRAFT_CHECK_EQ(a.size(), b.size(), "rank correlation");
  if (a.size() < 2) return kNaN;
  const auto ra = ranks(a), rb = ranks(b);
  const double mean = static_cast<double>(a.size() - 1) / 2;
  double aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < ra.size(); ++i) {
    aa += (ra[i] - mean) * (ra[i] - mean);
    bb += (rb[i] - mean) * (rb[i] - mean);
    ab += (ra[i] - mean) * (rb[i] - mean);
  }
  if (aa == 0 && bb == 0) return 1;
  return aa == 0 || bb == 0 ? kNaN : ab / std::sqrt(aa * bb);
}

SelectionMonitor::SelectionMonitor(const Options& options) : options_(options) {
  GRAFT_CHECK(options.every >= 1 && options.flip_limit >= 0 && options.min_candidates >= 1,
              "selection monitor: every ", options.every, " slices, flip limit ",
              options.flip_limit, ", at least ", options.min_candidates, " candidates");
}

bool SelectionMonitor::due() { return seen_++ % options_.every == 0; }

void SelectionMonitor::compare(std::span<const float> cheap, std::span<const float> exact,
                               std::span<const std::uint8_t> chosen_cheap,
                               std::span<const std::uint8_t> chosen_exact) {
  GRAFT_CHECK(cheap.size() == exact.size() && cheap.size() == chosen_cheap.size() &&
                  cheap.size() == chosen_exact.size(),
              "selection monitor: ", cheap.size(), " cheap and ", exact.size(), " exact losses, ",
              chosen_cheap.size(), " and ", chosen_exact.size(), " decisions");
  for (std::size_t i = 0; i < cheap.size(); ++i) {
    const bool by_cheap = chosen_cheap[i] != 0, by_exact = chosen_exact[i] != 0;
    flips_ += by_cheap != by_exact ? 1 : 0;
    common_ += by_cheap && by_exact ? 1 : 0;
    chosen_ += by_cheap || by_exact ? 1 : 0;
  }
  const double correlation = rank_correlation(cheap, exact);
  if (!std::isnan(correlation)) {
    rank_sum_ += correlation;
    ++ranked_;
  }
  ++slices_;
  candidates_ += static_cast<std::int64_t>(cheap.size());
}

SelectionMonitor::Report SelectionMonitor::report() const {
  const auto ratio = [](double a, std::int64_t b) {
    return b == 0 ? kNaN : a / static_cast<double>(b);
  };
  return {.slices = slices_,
          .candidates = candidates_,
          .flip_rate = ratio(static_cast<double>(flips_), candidates_),
          .rank_correlation = ratio(rank_sum_, ranked_),
          .jaccard =
              candidates_ > 0 && chosen_ == 0 ? 1 : ratio(static_cast<double>(common_), chosen_)};
}

bool SelectionMonitor::exceeded() const {
  return candidates_ >= options_.min_candidates && report().flip_rate > options_.flip_limit;
}

void SelectionMonitor::next_epoch() {
  slices_ = candidates_ = flips_ = common_ = chosen_ = ranked_ = 0;
  rank_sum_ = 0;
}

}  // namespace graft::train
