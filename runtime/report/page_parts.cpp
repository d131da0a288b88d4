// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/page_parts.h"

#include <fmt/format.h>

#include "runtime/report/markup.h"

namespace graft::report {
namespace {

std::string titled(const std::string& title, const std::string& svg) {
  return fmt::format("<div class=\"card\"><h3>{}</h3>{}</div>\n", escape(title), svg);
}

}  // namespace

std::string card(const LineChart& chart) { return titled(chart.title, to_svg(chart)); }

std::string card(const StackedBars& chart) { return titled(chart.title, to_svg(chart)); }

std::string cards(const std::string& content) {
  return "<div class=\"grid-of-cards\">\n" + content + "</div>\n";
}

std::string legend(std::span<const Group> groups, const std::string& extra) {
  std::string out = "<ul class=\"legend\">";
  for (std::size_t g = 0; g < groups.size(); ++g) {
    out += fmt::format("<li><span class=\"swatch c{}\"></span>{}</li>",
                       g % static_cast<std::size_t>(kSeriesColors), escape(groups[g].label));
  }
  return out + extra + "</ul>\n";
}

std::string style_key(const std::string& solid, const std::string& dashed) {
  return fmt::format(
      "<li class=\"soft\"><span class=\"swatch plain\"></span>{}</li>"
      "<li class=\"soft\"><span class=\"swatch plain dashed\"></span>{}</li>",
      solid, dashed);
}

std::string note(const std::string& text) { return "<p class=\"soft\">" + text + "</p>\n"; }

}  // namespace graft::report
