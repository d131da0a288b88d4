// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/page_charts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "runtime/report/markup.h"
#include "runtime/report/page_parts.h"
#include "runtime/report/pareto.h"
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
  return static_cast<double>(run.epochs[i].epoch);
}

/// Epochs that all runs of a group finished.
std::size_t common_epochs(const Group& group) {
  std::size_t epochs = group.runs[0].epochs.size();
  for (const RunRecord& run : group.runs) epochs = std::min(epochs, run.epochs.size());
  return epochs;
}

/// Mean over the seeds, epoch by epoch, as far as all of them got.
std::vector<Point> mean_points(const Group& group, const Pick& x, const Pick& y) {
  const auto n = static_cast<double>(group.runs.size());
  std::vector<Point> out(common_epochs(group));
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (const RunRecord& run : group.runs) {
      out[i].x += x(run, i) / n;
      out[i].y += y(run, i) / n;
    }
  }
  return out;
}

/// From the least to the greatest of the seeds, around their mean x.
Band seed_band(const Group& group, int color, const std::vector<Point>& mean, const Pick& y) {
  Band band{.color = color, .low = mean, .high = mean};
  for (std::size_t i = 0; i < mean.size(); ++i) {
    for (const RunRecord& run : group.runs) {
      band.low[i].y = std::min(band.low[i].y, y(run, i));
      band.high[i].y = std::max(band.high[i].y, y(run, i));
    }
  }
  return band;
}

/// The mean of each group and, behind it, the band of its seeds.
void add_series(LineChart& chart, std::span<const Group> groups, const Pick& x, const Pick& y,
                bool dashed = false, const std::string& what = "") {
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const Group& group = groups[g];
    const auto color = static_cast<int>(g);
    const std::vector<Point> mean = mean_points(group, x, y);
    if (group.runs.size() > 1 && !dashed) chart.bands.push_back(seed_band(group, color, mean, y));
    chart.series.push_back(
        {.name = group.label + what, .color = color, .dashed = dashed, .points = mean});
  }
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
      Series series{.name = fmt::format("{}, epoch {}", groups[g].label, cdf->epoch),
                    .color = static_cast<int>(g),
                    .dashed = first,
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

/// Probability of selection against the loss, for powers of the loss's percentile.
LineChart priority_chart(const LossCdf& cdf) {
  LineChart chart{
      .title = fmt::format("P(select) = percentile^β, at the losses of epoch {}", cdf.epoch),
      .x = {"loss", ScaleKind::kLogOrLinear, NumberStyle::kPlain},
      .y = {"probability", ScaleKind::kZero, NumberStyle::kPercent},
      .series = {},
      .reference = {}};
  const std::array<double, 4> betas = {0.5, 1, 2, 3};
  const auto steps = static_cast<double>(std::max<std::size_t>(cdf.quantiles.size(), 2) - 1);
  for (std::size_t b = 0; b < betas.size(); ++b) {
    Series series{
        .name = fmt::format("β {}", betas[b]), .color = static_cast<int>(b), .points = {}};
    for (std::size_t i = 0; i < cdf.quantiles.size(); ++i) {
      series.points.push_back({std::max(cdf.quantiles[i], kSmallestLoss),
                               std::pow(static_cast<double>(i) / steps, betas[b])});
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

/// Analytic, from the loss distribution of the first group's last epoch.
std::string priority_section(std::span<const Group> groups) {
  const std::vector<LossCdf>& cdfs = groups[0].runs[0].loss_cdfs;
  if (cdfs.empty() || cdfs.back().quantiles.empty()) return "";
  return "<h2>How losses become probabilities</h2>\n" +
         note(fmt::format("SB takes an example with the power β of its loss's percentile: blue "
                          "0.5, orange 1, green 2, violet 3. Losses: {}.",
                          escape(groups[0].label))) +
         cards(card(priority_chart(cdfs.back())));
}

std::string part_keys() {
  std::string keys = "<ul class=\"legend\">";
  for (std::size_t p = 0; p < kTimeShares.size(); ++p) {
    keys += fmt::format("<li><span class=\"box p{}\"></span>{}</li>", p, kTimeShares[p]);
  }
  return keys + "</ul>\n";
}

StackedBars empty_bars(const std::string& title) {
  return {.title = title, .part_names = {kTimeShares.begin(), kTimeShares.end()}, .bars = {}};
}

void add_bar(StackedBars& chart, const std::string& label, std::vector<double> parts,
             const std::string& remark = "") {
  double total = 0;
  for (const double part : parts) total += part;
  chart.bars.push_back(
      {.label = label, .parts = std::move(parts), .end_text = duration(total) + remark});
}

/// Time until a target error, mean over the seeds that reached it.
StackedBars target_bars(std::span<const Group> groups, const ComparisonRow& baseline,
                        double factor) {
  const double target = factor * baseline.final_error.mean;
  StackedBars chart =
      empty_bars(fmt::format("Until {} ({} × {})", percent(target), factor, baseline.label));
  for (const Group& group : groups) {
    std::vector<double> parts(kTimeShares.size());
    double reached = 0;
    for (const RunRecord& run : group.runs) {
      const auto crossing = first_crossing(run, target);
      if (!crossing) continue;
      reached += 1;
      for (std::size_t p = 0; p < kEvalShare; ++p) parts[p] += crossing->shares[p];
    }
    for (double& part : parts) part /= std::max(reached, 1.0);
    if (reached > 0) {
      add_bar(chart, group.label, std::move(parts));
    } else {
      chart.bars.push_back({.label = group.label, .parts = {}, .end_text = "not reached"});
    }
  }
  return chart;
}

std::string time_section(std::span<const Group> groups, std::span<const ComparisonRow> rows) {
  StackedBars whole = empty_bars("Whole run");
  for (const ComparisonRow& row : rows) {
    add_bar(whole, row.label, {row.shares.begin(), row.shares.end()});
  }
  std::string content = card(whole);
  if (const ComparisonRow* baseline = baseline_of(rows); baseline != nullptr && rows.size() > 1) {
    for (const double factor : {kTargetFactors[1], kTargetFactors[2]}) {
      content += card(target_bars(groups, *baseline, factor));
    }
  }
  return "<h2>Where the time went</h2>\n" + part_keys() + cards(content) +
         note(
             "select: forward passes that only score candidates; policy: choosing and queueing; "
             "data: waiting for the loader; mean over the seeds. Times until an error leave out "
             "evaluation and other (checkpoints, records, probes).");
}

std::string pareto_section(std::span<const Group> groups) {
  const std::vector<ParetoPoint> front = pareto_front(groups);
  if (groups.size() < 2 || front.empty()) return "";
  LineChart chart{.title = "Best error within a time",
                  .x = {"seconds of training", ScaleKind::kLogOrLinear, NumberStyle::kPlain},
                  .y = {"test error", ScaleKind::kLogOrLinear, NumberStyle::kPercent},
                  .series = {},
                  .reference = {}};
  std::string shares;
  const std::vector<double> share = pareto_shares(front, groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    Series series{
        .name = groups[g].label, .color = static_cast<int>(g), .joined = false, .points = {}};
    for (const ParetoPoint& p : front) {
      if (p.group == g) series.points.push_back({p.seconds, p.error});
    }
    chart.series.push_back(std::move(series));
    shares += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", escape(groups[g].label),
                          percent(share[g], 0));
  }
  return "<h2>Pareto front of time and error</h2>\n" + legend(groups) +
         cards(card(chart) +
               "<div class=\"card\"><h3>Share of the front</h3><table><thead><tr><th>Method</th>"
               "<th>Share</th></tr></thead><tbody>\n" +
               shares + "</tbody></table></div>\n") +
         note(
             "Every epoch of every run is a state; on the front are those that no other state "
             "beats in both time and error.");
}

}  // namespace

std::string chart_sections(std::span<const Group> groups, std::span<const ComparisonRow> rows) {
  return error_section(groups, baseline_of(rows)) + pareto_section(groups) +
         time_section(groups, rows) + training_section(groups) + priority_section(groups);
}

}  // namespace graft::report
