// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/svg_chart.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/report/markup.h"
#include "tests/unit/report/xml.h"

namespace graft::report {
namespace {

using graft::testing::markup_error;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointwise;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(Markup, EscapesWhatWouldBeMarkup) {
  EXPECT_EQ(escape("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
  EXPECT_EQ(escape("β = 2\nnext"), "β = 2\nnext");
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(escape(std::string_view("\x01"
                                    "a\0b",
                                    4)),
            bad + "a" + bad + "b");
  EXPECT_EQ(escape("\xFF"
                   "a\xC0\xAF\xE2\x82"),
            bad + "a" + bad + bad + bad + bad);
  EXPECT_EQ(escape("\xED\xA0\x80"), bad + bad + bad);  // a surrogate
}

TEST(Markup, NumbersForPeople) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(950), "950");
  EXPECT_EQ(short_number(999.6), "1k");
  EXPECT_EQ(short_number(1234), "1.23k");
  EXPECT_EQ(short_number(-45.6e6), "-45.6M");
  EXPECT_EQ(short_number(kNan), "-");
  EXPECT_EQ(percent(.12345), "12.35 %");
  EXPECT_EQ(percent(kNan), "-");
  EXPECT_EQ(duration(42.06), "42.1 s");
  EXPECT_EQ(duration(725.4), "12 min 5 s");
  EXPECT_EQ(duration(12000), "3 h 20 min");
}

TEST(SvgChart, LinearTicksAreRoundAndInside) {
  EXPECT_THAT(linear_ticks(0, 1), Pointwise(DoubleNear(1e-12), {0., .2, .4, .6, .8, 1.}));
  EXPECT_THAT(linear_ticks(0, 20), ElementsAre(0, 5, 10, 15, 20));
  EXPECT_THAT(linear_ticks(-3, 7), ElementsAre(-2, 0, 2, 4, 6));
  EXPECT_THAT(linear_ticks(0, 391000), ElementsAre(0, 1e5, 2e5, 3e5));
  EXPECT_TRUE(linear_ticks(1, 1).empty());
  for (const double high : {1e-6, 0.37, 1.0, 9.99, 47.0, 128.0, 3.1e8}) {
    const std::vector<double> ticks = linear_ticks(0, high);
    EXPECT_GE(ticks.size(), 3u) << high;
    EXPECT_LE(ticks.size(), 7u) << high;
    EXPECT_LE(ticks.back(), high * (1 + 1e-9));
  }
}

TEST(SvgChart, LogTicksGetDenserOnShortRanges) {
  EXPECT_THAT(log_ticks(0.001, 10), Pointwise(DoubleNear(1e-12), {.001, .01, .1, 1., 10.}));
  EXPECT_THAT(log_ticks(0.1, 2), Pointwise(DoubleNear(1e-12), {.1, .2, .5, 1., 2.}));
  EXPECT_THAT(log_ticks(8, 35), ElementsAre(10, 20, 30));
  EXPECT_TRUE(log_ticks(0, 1).empty());
}

TEST(SvgChart, ScaleMapsItsRange) {
  const Scale zero(ScaleKind::kZero, {2, kNan, 10, kInf}, 100, 200);
  EXPECT_DOUBLE_EQ(zero.px(0), 100);
  EXPECT_DOUBLE_EQ(zero.px(10), 200);
  const Scale linear(ScaleKind::kLinear, {2, 10}, 200, 100);  // upside down, as y is
  EXPECT_DOUBLE_EQ(linear.px(2), 200);
  EXPECT_DOUBLE_EQ(linear.px(6), 150);
  const Scale log(ScaleKind::kLogOrLinear, {1, 100}, 0, 100);
  EXPECT_TRUE(log.logarithmic());
  EXPECT_NEAR(log.px(10), 50, 1e-9);
  EXPECT_FALSE(log.shows(0));
  EXPECT_FALSE(Scale(ScaleKind::kLogOrLinear, {1, 2}, 0, 1).logarithmic());
  EXPECT_FALSE(Scale(ScaleKind::kLogOrLinear, {0, 100}, 0, 1).logarithmic());
  for (const auto& values : {std::vector<double>{}, {kNan}, {5, 5}, {0}}) {
    const Scale odd(ScaleKind::kZero, values, 0, 100);
    EXPECT_TRUE(std::isfinite(odd.px(1)));
    EXPECT_FALSE(odd.ticks().empty());
  }
}

LineChart chart_of(std::vector<Point> points) {
  return {
      .title = "a <title> & more",
      .x = {"x < 3", ScaleKind::kZero, NumberStyle::kPlain},
      .y = {"y", ScaleKind::kLinear, NumberStyle::kPercent},
      .series = {{.name = "\"SB\" <b>", .color = 13, .dashed = true, .points = std::move(points)}},
      .reference = ReferenceLine{.y = .5, .label = "1.2 × <T>"}};
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++n;
  return n;
}

TEST(SvgChart, LineChartIsWellFormedAndEscaped) {
  const std::string svg = to_svg(chart_of({{0, .1}, {1, .7}, {2, .3}}));
  EXPECT_EQ(markup_error(svg), "");
  EXPECT_THAT(svg, Not(HasSubstr("<b>")));
  EXPECT_THAT(svg, HasSubstr("&quot;SB&quot; &lt;b&gt;: 70 % at 1 x &lt; 3"));
  EXPECT_THAT(svg, HasSubstr("line c1 dashed"));  // colours repeat after twelve
  EXPECT_EQ(count(svg, "<circle"), 3u);
}

TEST(SvgChart, BandsAndLonePoints) {
  LineChart chart = chart_of({{0, .2}, {1, .4}});
  chart.series[0].joined = false;
  chart.bands = {{.color = 2, .low = {{0, .1}, {1, .3}}, .high = {{0, .3}, {1, 1.1}}}};
  const std::string svg = to_svg(chart);
  EXPECT_EQ(markup_error(svg), "");
  EXPECT_THAT(svg, Not(HasSubstr("class=\"line")));
  EXPECT_EQ(count(svg, "<circle"), 2U);
  EXPECT_EQ(count(svg, "class=\"band c2\""), 1U);
  EXPECT_THAT(svg, HasSubstr(">100 %<")) << "the axis covers the band";
}

TEST(SvgChart, GapsInterruptTheLine) {
  const std::string svg = to_svg(chart_of({{0, .1}, {1, .2}, {2, kNan}, {3, .3}, {4, .4}}));
  EXPECT_EQ(count(svg, "<circle"), 4u);
  const std::string path = svg.substr(svg.find(" d=\""));
  const std::string d = path.substr(0, path.find("/>"));
  EXPECT_EQ(count(d, "M"), 2u);
  EXPECT_EQ(count(d, "L"), 2u);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(SvgChart, NothingToDrawIsStillAChart) {
  for (const auto& points : {std::vector<Point>{}, {{kNan, kNan}}, {{1, kInf}}}) {
    const std::string svg = to_svg(chart_of(points));
    EXPECT_EQ(markup_error(svg), "");
    EXPECT_THAT(svg, Not(HasSubstr("<path")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
  }
}

TEST(SvgChart, LongRunsKeepTheirLastPointMarked) {
  std::vector<Point> points;
  for (int i = 0; i < 1000; ++i) points.push_back({static_cast<double>(i), .5 + i * 1e-4});
  const std::string svg = to_svg(chart_of(points));
  EXPECT_LE(count(svg, "<circle"), 40u);
  EXPECT_THAT(svg, HasSubstr(" at 999 "));
}

TEST(SvgChart, BarsShareOneScale) {
  const StackedBars chart{.title = "time",
                          .part_names = {"select", "other"},
                          .bars = {{"A & B", {30, 70}, "100 s"}, {"C", {50, 0}, "50 s"}}};
  const std::string svg = to_svg(chart);
  EXPECT_EQ(markup_error(svg), "");
  EXPECT_EQ(count(svg, "<rect"), 3u);              // an empty part is not drawn
  EXPECT_THAT(svg, HasSubstr("width=\"100.8\""));  // 30 of 100: 420 less 84 for the text
  EXPECT_THAT(svg, HasSubstr("width=\"235.2\""));
  EXPECT_THAT(svg, HasSubstr("width=\"168.0\""));
  EXPECT_THAT(svg, HasSubstr("A &amp; B: select, 30.0 s"));
  EXPECT_EQ(markup_error(to_svg(StackedBars{})), "");
}

TEST(SvgChart, TheCheckerOfTheseTestsFindsErrors) {
  EXPECT_EQ(markup_error("<a><b/>x</a>"), "");
  EXPECT_NE(markup_error("<a><b></a>"), "");
  EXPECT_NE(markup_error("<a>"), "");
  EXPECT_NE(markup_error("<a href=\"x>y</a>"), "");
}

}  // namespace
}  // namespace graft::report
