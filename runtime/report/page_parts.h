// SPDX-License-Identifier: Apache-2.0
// Pieces that the sections of a page share.
#pragma once

#include <span>
#include <string>

#include "runtime/report/comparison.h"
#include "runtime/report/svg_chart.h"

namespace graft::report {

/// A chart under its title.
[[nodiscard]] std::string card(const LineChart& chart);
[[nodiscard]] std::string card(const StackedBars& chart);

/// A box that holds cards side by side.
[[nodiscard]] std::string cards(const std::string& content);

/// The groups and their colours, then `extra` entries.
[[nodiscard]] std::string legend(std::span<const Group> groups, const std::string& extra = "");

/// Legend entries for what solid and dashed lines mean.
[[nodiscard]] std::string style_key(const std::string& solid, const std::string& dashed);

/// A paragraph in a quiet colour. `text` is markup.
[[nodiscard]] std::string note(const std::string& text);

}  // namespace graft::report
