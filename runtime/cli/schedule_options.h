// SPDX-License-Identifier: Apache-2.0
// Options that say how to schedule, as several commands take them. All throw Error(kConfig) naming
// the flag.
#pragma once

#include <string>
#include <vector>

namespace graft::cli {

/// A finite number of at least 0.
[[nodiscard]] double parse_bound(const char* flag, const std::string& text);
/// --rates: numbers above 0 separated by commas; none for an empty text.
[[nodiscard]] std::vector<double> parse_rates(const std::string& text);
/// --voting: off, auto or a number of votes.
[[nodiscard]] std::vector<int> parse_voting(const std::string& text);

}  // namespace graft::cli
