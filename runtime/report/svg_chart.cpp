// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/svg_chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "runtime/report/markup.h"

namespace graft::report {
namespace {

// User units of the drawing, which scales with the page; text of 13 stays readable on a phone.
constexpr double kWidth = 420, kHeight = 270;
constexpr double kLeft = 56, kRight = 24, kTop = 12, kBottom = 44;
constexpr double kBarHeight = 18, kBarStep = 46, kBarEndText = 84;
constexpr std::size_t kMaxMarkers = 40;
constexpr double kMarkRadius = 2.4, kPointRadius = 4.5;  ///< on a line, alone
constexpr double kLogSpan = 4;
constexpr std::size_t kFewestLogTicks = 4;
constexpr double kLogMargin = 0.03;  ///< of the axis, below and above the data

std::string number(double value, NumberStyle style) {
  if (style == NumberStyle::kPercent) return fmt::format("{:.3g} %", 100 * value);
  return short_number(value);
}

std::string open_svg(const std::string& title, double height) {
  return fmt::format(
      "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\" "
      "xmlns=\"http://www.w3.org/2000/svg\">\n",
      kWidth, height, escape(title));
}

std::string axes(const LineChart& chart, const Scale& x, const Scale& y) {
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  std::string out;
  for (const double tick : y.ticks()) {
    out += fmt::format(
        "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
        "<text class=\"tick\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
        kLeft, right, y.px(tick), y.px(tick), kLeft - 6, y.px(tick) + 4,
        number(tick, chart.y.style));
  }
  for (const double tick : x.ticks()) {
    out +=
        fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                    x.px(tick), bottom + 18, number(tick, chart.x.style));
  }
  out += fmt::format("<line class=\"axis\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>\n", kLeft,
                     right, bottom, bottom);
  out += fmt::format("<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                     (kLeft + right) / 2, kHeight - 6, escape(chart.x.label));
  return out;
}

/// There along the upper line, back along the lower one.
std::string band_path(const Band& band, const Scale& x, const Scale& y) {
  std::vector<Point> around = band.high;
  around.insert(around.end(), band.low.rbegin(), band.low.rend());
  std::string path;
  for (const Point& p : around) {
    if (!x.shows(p.x) || !y.shows(p.y)) continue;
    path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "M" : " L", x.px(p.x), y.px(p.y));
  }
  if (path.empty()) return "";
  return fmt::format("<path class=\"band c{}\" d=\"{} Z\"/>\n", band.color % kSeriesColors, path);
}

std::string series_path(const Series& series, const Scale& x, const Scale& y) {
  std::string path;
  bool pen_down = false;
  for (const Point& p : series.points) {
    const bool shown = x.shows(p.x) && y.shows(p.y);
    if (shown) path += fmt::format("{}{:.1f},{:.1f}", pen_down ? " L" : " M", x.px(p.x), y.px(p.y));
    pen_down = shown;
  }
  if (path.empty()) return "";
  return fmt::format("<path class=\"line c{}{}\" d=\"{}\"/>\n", series.color % kSeriesColors,
                     series.dashed ? " dashed" : "", path.substr(1));
}

std::string series_markers(const Series& series, const LineChart& chart, const Scale& x,
                           const Scale& y) {
  std::string out;
  // Of a long run some points carry a title; the last one always does.
  const std::size_t step = (series.points.size() + kMaxMarkers - 1) / kMaxMarkers;
  for (std::size_t i = 0; i < series.points.size(); ++i) {
    const Point& p = series.points[i];
    const bool wanted = (series.points.size() - 1 - i) % step == 0;
    if (!wanted || !x.shows(p.x) || !y.shows(p.y)) continue;
    out += fmt::format(
        "<circle class=\"dot c{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\">"
        "<title>{}: {} at {} {}</title></circle>\n",
        series.color % kSeriesColors, x.px(p.x), y.px(p.y),
        series.joined ? kMarkRadius : kPointRadius, escape(series.name), number(p.y, chart.y.style),
        number(p.x, chart.x.style), escape(chart.x.label));
  }
  return out;
}

std::string reference_line(const ReferenceLine& line, const Scale& y) {
  if (!y.shows(line.y)) return "";
  return fmt::format(
      "<line class=\"reference\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
      "<text class=\"tick halo\" x=\"{}\" y=\"{:.1f}\">{}</text>\n",
      kLeft, kWidth - kRight, y.px(line.y), y.px(line.y), kLeft + 4, y.px(line.y) - 4,
      escape(line.label));
}

/// The smallest of 1, 2, 5, 10 times a power of ten that is at least `step`.
double nice_step(double step) {
  const double power = std::pow(10, std::floor(std::log10(step)));
  for (const double factor : {1., 2., 5.}) {
    // Rounding of log10 must not skip a step.
    if (step <= factor * power * (1 + 1e-9)) return factor * power;
  }
  return 10 * power;
}

}  // namespace

std::vector<double> linear_ticks(double low, double high, int wanted) {
  std::vector<double> out;
  if (!(high > low) || wanted < 1) return out;
  const double step = nice_step((high - low) / wanted);
  const double slack = 1e-9 * (high - low) / step;
  const double first = std::ceil(low / step - slack), last = std::floor(high / step + slack);
  for (double k = first; k <= last; ++k) out.push_back(k * step + 0.0);
  return out;
}

std::vector<double> log_ticks(double low, double high) {
  std::vector<double> out;
  if (!(low > 0) || !(high > low)) return out;
  const std::array<std::vector<int>, 3> factors = {{{1}, {1, 2, 5}, {1, 2, 3, 5, 7}}};
  const auto first = static_cast<int>(std::floor(std::log10(low)));
  const auto last = static_cast<int>(std::ceil(std::log10(high)));
  for (const std::vector<int>& set : factors) {
    out.clear();
    for (int decade = first; decade <= last; ++decade) {
      for (const int factor : set) {
        const double tick = factor * std::pow(10, decade);
        if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) out.push_back(tick);
      }
    }
    if (out.size() >= kFewestLogTicks) break;
  }
  return out;
}

Scale::Scale(ScaleKind kind, const std::vector<double>& values, double from_px, double to_px)
    : from_px_(from_px), to_px_(to_px) {
  bool any = false;
  for (const double v : values) {
    if (!std::isfinite(v)) continue;
    low_ = any ? std::min(low_, v) : v;
    high_ = any ? std::max(high_, v) : v;
    any = true;
  }
  if (!any) low_ = 0, high_ = 1;
  log_ = kind == ScaleKind::kLogOrLinear && low_ > 0 && high_ / low_ >= kLogSpan;
  if (log_) {
    const double margin = std::pow(high_ / low_, kLogMargin);
    low_ /= margin;
    high_ *= margin;
    ticks_ = log_ticks(low_, high_);
    if (ticks_.size() < 2) ticks_ = linear_ticks(low_, high_);
    return;
  }
  if (kind == ScaleKind::kZero) low_ = std::min(low_, 0.0);
  if (high_ <= low_) {
    const double room = low_ == 0 ? 1 : std::fabs(low_) / 10;
    low_ -= kind == ScaleKind::kZero ? 0 : room;
    high_ += room;
  }
  ticks_ = linear_ticks(low_, high_);
}

bool Scale::shows(double value) const { return std::isfinite(value) && (!log_ || value > 0); }

double Scale::px(double value) const {
  const double share =
      log_ ? std::log(value / low_) / std::log(high_ / low_) : (value - low_) / (high_ - low_);
  return from_px_ + share * (to_px_ - from_px_);
}

std::string to_svg(const LineChart& chart) {
  std::vector<double> xs, ys;
  for (const Series& series : chart.series) {
    for (const Point& p : series.points) {
      xs.push_back(p.x);
      ys.push_back(p.y);
    }
  }
  for (const Band& band : chart.bands) {
    for (const auto* edge : {&band.low, &band.high}) {
      for (const Point& p : *edge) ys.push_back(p.y);
    }
  }
  if (chart.reference) ys.push_back(chart.reference->y);
  const Scale x(chart.x.scale, xs, kLeft, kWidth - kRight);
  const Scale y(chart.y.scale, ys, kHeight - kBottom, kTop);
  std::string out = open_svg(chart.title, kHeight) + axes(chart, x, y);
  if (chart.reference) out += reference_line(*chart.reference, y);
  for (const Band& band : chart.bands) out += band_path(band, x, y);
  for (const Series& series : chart.series) {
    if (series.joined) out += series_path(series, x, y);
  }
  for (const Series& series : chart.series) out += series_markers(series, chart, x, y);
  return out + "</svg>\n";
}

std::string to_svg(const StackedBars& chart) {
  double longest = 0;
  for (const StackedBars::Bar& bar : chart.bars) {
    double sum = 0;
    for (const double part : bar.parts) sum += part;
    longest = std::max(longest, sum);
  }
  const double height = kBarStep * static_cast<double>(chart.bars.size()) + 6;
  const double per_unit = longest > 0 ? (kWidth - kBarEndText) / longest : 0;
  std::string out = open_svg(chart.title, height);
  double top = 0;
  for (const StackedBars::Bar& bar : chart.bars) {
    out += fmt::format("<text class=\"label\" x=\"0\" y=\"{}\">{}</text>\n", top + 15,
                       escape(bar.label));
    double left = 0;
    for (std::size_t i = 0; i < bar.parts.size(); ++i) {
      const double width = bar.parts[i] * per_unit;
      if (!(width > 0)) continue;
      out += fmt::format(
          "<rect class=\"part p{}\" x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\">"
          "<title>{}: {}, {}</title></rect>\n",
          i, left, top + 21, width, kBarHeight, escape(bar.label), escape(chart.part_names[i]),
          escape(duration(bar.parts[i])));
      left += width;
    }
    out += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{}\">{}</text>\n", left + 6,
                       top + 21 + kBarHeight / 2 + 4, escape(bar.end_text));
    top += kBarStep;
  }
  return out + "</svg>\n";
}

}  // namespace graft::report
