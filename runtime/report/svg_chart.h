// SPDX-License-Identifier: Apache-2.0
// A small writer of SVG charts for an HTML page. Colours and fonts come from the page's style sheet
// (style.h); every point carries a <title>, which browsers show when it is pointed at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace graft::report {

enum class ScaleKind : std::uint8_t {
  kLinear,       ///< the data's range
  kZero,         ///< linear from 0
  kLogOrLinear,  ///< logarithmic if all values are positive and span a factor of 4
};
enum class NumberStyle : std::uint8_t { kPlain, kPercent };

/// Ticks at 1, 2 or 5 times a power of ten that lie in [low, high]; about `wanted` of them.
[[nodiscard]] std::vector<double> linear_ticks(double low, double high, int wanted = 5);
/// Ticks in [low, high], low > 0, at powers of ten, and if those are fewer than four, also at 2 and
/// 5, or at 2, 3, 5 and 7 times them.
[[nodiscard]] std::vector<double> log_ticks(double low, double high);

/// Maps values to pixels.
class Scale {
 public:
  /// Covers the finite values; an empty or single-valued range is widened.
  Scale(ScaleKind kind, const std::vector<double>& values, double from_px, double to_px);

  [[nodiscard]] double px(double value) const;
  /// Whether px() has an answer: the value is finite, and positive on a logarithmic scale.
  [[nodiscard]] bool shows(double value) const;
  [[nodiscard]] bool logarithmic() const { return log_; }
  [[nodiscard]] const std::vector<double>& ticks() const { return ticks_; }

 private:
  bool log_ = false;
  double low_ = 0, high_ = 1, from_px_, to_px_;
  std::vector<double> ticks_;
};

struct Point {
  double x = 0, y = 0;
};

/// A line; points whose coordinates are not finite interrupt it.
struct Series {
  std::string name;  ///< for the titles of its points
  int color = 0;     ///< index into the style sheet's series colours, any number >= 0
  bool dashed = false;
  bool joined = true;  ///< by lines; else only the points
  std::vector<Point> points;
};

/// The area between two lines that go through the same x, behind all series.
struct Band {
  int color = 0;
  std::vector<Point> low, high;
};

struct Axis {
  std::string label;
  ScaleKind scale = ScaleKind::kLinear;
  NumberStyle style = NumberStyle::kPlain;
};

struct ReferenceLine {
  double y = 0;
  std::string label;
};

struct LineChart {
  std::string title;  ///< read aloud, and the accessible name
  Axis x, y;
  std::vector<Series> series;
  std::optional<ReferenceLine> reference;
  std::vector<Band> bands = {};
};

/// Horizontal bars of stacked parts; the text at the end of a bar is the caller's.
struct StackedBars {
  struct Bar {
    std::string label;
    std::vector<double> parts;
    std::string end_text;
  };
  std::string title;
  std::vector<std::string> part_names;
  std::vector<Bar> bars;
};

/// The series colours repeat after this many.
inline constexpr int kSeriesColors = 12;

[[nodiscard]] std::string to_svg(const LineChart& chart);
[[nodiscard]] std::string to_svg(const StackedBars& chart);

}  // namespace graft::report
