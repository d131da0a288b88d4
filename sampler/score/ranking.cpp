// SPDX-License-Identifier: Apache-2.0
#include "sampler/score/ranking.h"

#include <algorithm>
#include <numeric>

namespace graft {

std::vector<std::int32_t> descending_order(std::span<const double> values) {
  std::vector<std::int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [values](std::int32_t a, std::int32_t b) {
    return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
  });
  return order;
}

std::vector<std::int32_t> top_rows(std::span<const double> values, std::int64_t k) {
  std::vector<std::int32_t> rows = descending_order(values);
  rows.resize(static_cast<std::size_t>(std::min<std::int64_t>(k, std::ssize(values))));
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::int64_t kept_count(double fraction, std::int64_t n) {
  return std::min(
      n, std::max<std::int64_t>(1, static_cast<std::int64_t>(fraction * static_cast<double>(n))));
}

}  // namespace graft
