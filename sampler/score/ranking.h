// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace graft {

/// Indices from the largest value to the smallest, equal values by index. No value may be NaN.
[[nodiscard]] std::vector<std::int32_t> descending_order(std::span<const double> values);

/// The k indices with the largest values, ties by index, ascending; all if k is more.
[[nodiscard]] std::vector<std::int32_t> top_rows(std::span<const double> values, std::int64_t k);

/// max(1, int(fraction * n)), at most n: how many rows a policy keeps of n. fraction in [0, 1].
[[nodiscard]] std::int64_t kept_count(double fraction, std::int64_t n);

}  // namespace graft
