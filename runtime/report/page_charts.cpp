// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/page_charts.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "runtime/report/markup.h"
#include "runtime/report/svg_chart.h"

namespace graft::report {
namespace {

/// The error that the dotted line marks, as a multiple of the baseline's.
constexpr double kMarkedFactor = kTargetFactors[1];

/// Losses below are drawn here: on a logarithmic axis they would take all the room.
constexpr double kSmallestLoss = 1e-3;

/// A coordinate of the i-th epoch record of a run.
using Pick = std::function<double(const RunRecord&, std::size_t)>;

double epochs_done(const RunRecord& run, std::size_t i) {
  return static_cast<double>(run.epochs[i].epoch + 1);
}

std::vector<Point> points_of(const RunRecord& run, const Pick& x, const Pick& y) {
  std::vector<Point> out;
  for (std::size_t i = 0; i < run.epochs.size(); ++i) out.push_back({x(run, i), y(run, i)});
  return out;
}

/// Mean over the seeds, epoch by epoch, as far as all of them got.
std::vector<Point> mean_points(const Group& group, const Pick& x, const Pick& y) {
  std::size_t epochs = group.runs[0].epochs.size();
  for (const RunRecord& run : group.runs) epochs = std::min(epochs, run.epochs.size());
  const auto n = static_cast<double>(group.runs.size());
  std::vector<Point> out(epochs);
  for (std::size_t i = 0; i < epochs; ++i) {
    for (const RunRecord& run : group.runs) {
      out[i].x += x(run, i) / n;
      out[i].y += y(run, i) / n;
    }
  }
  return out;
}

/// The mean of each group and, behind it, its single seeds.
void add_series(LineChart& chart, std::span<const Group> groups, const Pick& x, const Pick& y,
                bool dashed = false, const std::string& what = "") {
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const Group& group = groups[g];
    const Series mean{.name = group.label + what,
                      .color = static_cast<int>(g),
                      .dashed = dashed,
                      .faint = false,
                      .points = mean_points(group, x, y)};
    chart.series.push_back(mean);
    if (group.runs.size() < 2) continue;
    for (const RunRecord& run : group.runs) {
      Series seed = mean;
      seed.faint = true;
      seed.points = points_of(run, x, y);
      chart.series.push_back(std::move(seed));
    }
  }
}

std::string card(const LineChart& chart) {
  return fmt::format("<div class=\"card\"><h3>{}</h3>{}</div>\n", escape(chart.title),
                     to_svg(chart));
}

std::string legend(std::span<const Group> groups, const std::string& extra = "") {
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

std::string error_section(std::span<const Group> groups, const ComparisonRow* baseline) {
  const Pick error = [](const RunRecord& run, std::size_t i) { return run.epochs[i].test_error; };
  const std::vector<std::pair<const char*, Pick>> axes = {
      {"epochs", epochs_done},
      {"cost units", [](const RunRecord& run, std::size_t i) { return run.epochs[i].cost_units; }},
      {"backprops",
       [](const RunRecord& run, std::size_t i) {
         return static_cast<double>(run.epochs[i].counters.backprops);
       }},
      {"updates",
       [](const RunRecord& run, std::size_t i) {
         return static_cast<double>(run.epochs[i].counters.updates);
       }},
      {"seconds of training",
       [](const RunRecord& run, std::size_t i) { return run.epochs[i].training_seconds(); }}};
  std::string out = "<h2>Test error</h2>\n" + legend(groups) + "<div class=\"grid-of-cards\">\n";
  for (const auto& [label, x] : axes) {
    LineChart chart{.title = fmt::format("Test error against {}", label),
                    .x = {label, ScaleKind::kZero, NumberStyle::kPlain},
                    .y = {"test error", ScaleKind::kLogOrLinear, NumberStyle::kPercent},
                    .series = {},
                    .reference = {}};
    if (baseline != nullptr) {
      const double target = kMarkedFactor * baseline->final_error.mean;
      chart.reference = {target, fmt::format("{} × {}", kMarkedFactor, baseline->label)};
    }
    add_series(chart, groups, x, error);
    out += card(chart);
  }
  return out + "</div>\n";
}

/// Loss against the share of examples at or below it, first and last epoch recorded.
LineChart cdf_chart(std::span<const Group> groups) {
  LineChart chart{.title = "Distribution of the losses in an epoch (CDF)",
                  .x = {fmt::format("loss (below {}: at {})", kSmallestLoss, kSmallestLoss),
                        ScaleKind::kLogOrLinear, NumberStyle::kPlain},
                  .y = {"share", ScaleKind::kZero, NumberStyle::kPercent},
                  .series = {},
                  .reference = {}};
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::vector<LossCdf>& cdfs = groups[g].runs[0].loss_cdfs;
    if (cdfs.empty()) continue;
    std::vector<std::pair<const LossCdf*, bool>> shown = {{&cdfs.back(), false}};
    if (cdfs.size() > 1) shown.emplace_back(&cdfs.front(), true);
    for (const auto& [cdf, first] : shown) {
      Series series{.name = fmt::format("{}, epoch {}", groups[g].label, cdf->epoch + 1),
                    .color = static_cast<int>(g),
                    .dashed = first,
                    .faint = false,
                    .points = {}};
      const auto steps = static_cast<double>(std::max<std::size_t>(cdf->quantiles.size(), 2) - 1);
      for (std::size_t i = 0; i < cdf->quantiles.size(); ++i) {
        series.points.push_back(
            {std::max(cdf->quantiles[i], kSmallestLoss), static_cast<double>(i) / steps});
      }
      chart.series.push_back(std::move(series));
    }
  }
  return chart;
}

std::string training_section(std::span<const Group> groups) {
  LineChart loss{.title = "Loss",
                 .x = {"epochs", ScaleKind::kZero, NumberStyle::kPlain},
                 .y = {"loss", ScaleKind::kLogOrLinear, NumberStyle::kPlain},
                 .series = {},
                 .reference = {}};
  add_series(
      loss, groups, epochs_done,
      [](const RunRecord& run, std::size_t i) { return run.epochs[i].test_loss; }, false, ", test");
  add_series(
      loss, groups, epochs_done,
      [](const RunRecord& run, std::size_t i) { return run.epochs[i].train_loss; }, true,
      ", train");
  LineChart kept{.title = "Kept fraction of the candidates, by epoch",
                 .x = {"epochs", ScaleKind::kZero, NumberStyle::kPlain},
                 .y = {"kept", ScaleKind::kZero, NumberStyle::kPercent},
                 .series = {},
                 .reference = {}};
  add_series(kept, groups, epochs_done,
             [](const RunRecord& run, std::size_t i) { return run.kept_fraction(i); });
  LineChart rate{.title = "Learning rate at the end of each epoch",
                 .x = {"epochs", ScaleKind::kZero, NumberStyle::kPlain},
                 .y = {"learning rate", ScaleKind::kZero, NumberStyle::kPlain},
                 .series = {},
                 .reference = {}};
  add_series(rate, groups, epochs_done,
             [](const RunRecord& run, std::size_t i) { return run.epochs[i].lr; });
  std::string out = "<h2>Training</h2>\n" +
                    legend(groups, style_key("loss: test; distribution: last epoch",
                                             "loss: training; distribution: first epoch")) +
                    "<div class=\"grid-of-cards\">\n" + card(loss);
  if (const LineChart cdf = cdf_chart(groups); !cdf.series.empty()) out += card(cdf);
  return out + card(kept) + card(rate) + "</div>\n";
}

std::string time_section(std::span<const Group> groups) {
  StackedBars chart{.title = "Where the time went", .part_names = {}, .bars = {}};
  std::string keys = "<ul class=\"legend\">";
  for (std::size_t p = 0; p < kTimeShares.size(); ++p) {
    chart.part_names.emplace_back(kTimeShares[p]);
    keys += fmt::format("<li><span class=\"box p{}\"></span>{}</li>", p, kTimeShares[p]);
  }
  for (const Group& group : groups) {
    StackedBars::Bar bar{
        .label = group.label, .parts = std::vector<double>(kTimeShares.size()), .end_text = ""};
    double runs = 0, total = 0;
    for (const RunRecord& run : group.runs) runs += run.epochs.empty() ? 0 : 1;
    for (const RunRecord& run : group.runs) {
      if (run.epochs.empty()) continue;
      for (std::size_t p = 0; p < bar.parts.size(); ++p) {
        bar.parts[p] += run.epochs.back().seconds[p] / runs;
      }
      total += run.epochs.back().total_seconds() / runs;
    }
    bar.end_text = duration(total);
    chart.bars.push_back(std::move(bar));
  }
  return "<h2>Where the time went</h2>\n" + keys +
         "</ul>\n<div class=\"grid-of-cards\"><div class=\"card\">" + to_svg(chart) +
         "</div></div>\n<p class=\"soft\">select: forward passes that only score candidates; "
         "policy: "
         "choosing and queueing; data: waiting for the loader; mean over the seeds.</p>\n";
}

}  // namespace

std::string chart_sections(std::span<const Group> groups, const ComparisonRow* baseline) {
  return error_section(groups, baseline) + training_section(groups) + time_section(groups);
}

}  // namespace graft::report
