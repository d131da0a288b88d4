// SPDX-License-Identifier: Apache-2.0
// Small text helpers for options and messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

/// Fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`
/// (optimal string alignment).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// "; did you mean `best`?" for the candidate nearest to `word`, or "" if none is near: at most
/// one edit per three letters, two at least. Append it to a message.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string> candidates);

/// Pieces of `text` between separators; one empty piece for an empty text.
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);

/// The pieces with `separator` between them.
[[nodiscard]] std::string join(std::span<const std::string> pieces, std::string_view separator);

/// The whole of `text` as a decimal number; nothing if any character is left over or it overflows.
[[nodiscard]] std::optional<std::int64_t> parse_int(std::string_view text);
/// As parse_int(), for a finite number such as 0.25 or 1e-3.
[[nodiscard]] std::optional<double> parse_double(std::string_view text);

}  // namespace graft
