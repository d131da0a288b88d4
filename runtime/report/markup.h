// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace graft::report {

/// `text` for XML and HTML, as content or inside quotes: markup characters become entities, control
/// characters and bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string escape(std::string_view text);

/// Three significant digits with k, M, G or T: 950, 1.2k, 45.6M. "-" if not finite.
[[nodiscard]] std::string short_number(double value);
/// 0.1234 -> "12.34 %".
[[nodiscard]] std::string percent(double fraction, int decimals = 2);
/// 42.1 s, 12 min 5 s, 3 h 20 min.
[[nodiscard]] std::string duration(double seconds);

}  // namespace graft::report
