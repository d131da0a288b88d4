// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/probe_charts.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "runtime/report/markup.h"
#include "runtime/report/page_parts.h"

namespace graft::report {
namespace {

constexpr std::int64_t kConfidenceEpoch = 10;  ///< the thesis' snapshot
constexpr double kWatchBeta = 2;
constexpr std::size_t kMostGroups = 3;  ///< where a group has more than one line

/// The record nearest to the thesis' epoch; null if there is none.
const ConfidenceRecord* snapshot(const RunRecord& run) {
  const ConfidenceRecord* best = nullptr;
  for (const ConfidenceRecord& r : run.probes.confidence) {
    if (best == nullptr ||
        std::abs(r.epoch - kConfidenceEpoch) < std::abs(best->epoch - kConfidenceEpoch)) {
      best = &r;
    }
  }
  return best;
}

/// Mean of several lists of one length; those of another length are left out.
std::vector<double> mean_of(const std::vector<const std::vector<double>*>& lists) {
  if (lists.empty()) return {};
  std::vector<double> out(lists[0]->size());
  double n = 0;
  for (const auto* list : lists) {
    if (list->size() != out.size()) continue;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += (*list)[i];
    n += 1;
  }
  for (double& v : out) v /= n;
  return out;
}

std::string confidence_section(std::span<const Group> groups) {
  LineChart inverse{.title = "Confidence in the right class, by percentile",
                    .x = {"percentile of the test images", ScaleKind::kZero, NumberStyle::kPercent},
                    .y = {"probability of the label", ScaleKind::kZero, NumberStyle::kPercent},
                    .series = {},
                    .reference = {}};
  LineChart accuracy = inverse;
  accuracy.title = "Accuracy by percentile of that confidence";
  accuracy.y.label = "right first guess";
  std::int64_t epoch = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::vector<const std::vector<double>*> quantiles, rates;
    for (const RunRecord& run : groups[g].runs) {
      if (const ConfidenceRecord* r = snapshot(run)) {
        quantiles.push_back(&r->quantiles);
        rates.push_back(&r->accuracy);
        epoch = r->epoch;
      }
    }
    if (quantiles.empty()) continue;
    const auto color = static_cast<int>(g);
    Series a{.name = groups[g].label, .color = color, .points = {}}, b = a;
    const auto q = mean_of(quantiles), r = mean_of(rates);
    for (std::size_t i = 0; i < q.size(); ++i) {
      a.points.push_back({static_cast<double>(i) / static_cast<double>(q.size() - 1), q[i]});
    }
    for (std::size_t i = 0; i < r.size(); ++i) {
      b.points.push_back({(static_cast<double>(i) + 0.5) / static_cast<double>(r.size()), r[i]});
    }
    inverse.series.push_back(std::move(a));
    accuracy.series.push_back(std::move(b));
  }
  if (inverse.series.empty()) return "";
  return fmt::format("<h2>Hard examples after epoch {}</h2>\n", epoch) + legend(groups) +
         cards(card(inverse) + card(accuracy)) +
         note(
             "Test images in order of the probability that the network gives their label; mean "
             "over the seeds.");
}

using CurvePart = std::vector<double> GradientRecord::Curve::*;

/// Mean over the epochs behind the first and over the seeds.
std::vector<Point> gradient_points(const Group& group, GradientRecord::Curve GradientRecord::*curve,
                                   CurvePart part) {
  std::vector<const std::vector<double>*> lists;
  const std::vector<double>* fractions = nullptr;
  for (const RunRecord& run : group.runs) {
    for (const GradientRecord& r : run.probes.gradients) {
      if (r.epoch == 1 && run.probes.gradients.size() > 1) continue;
      lists.push_back(&((r.*curve).*part));
      fractions = &r.fractions;
    }
  }
  const std::vector<double> mean = mean_of(lists);
  std::vector<Point> out;
  for (std::size_t i = 0; i < mean.size() && i < fractions->size(); ++i) {
    out.push_back({(*fractions)[i], mean[i]});
  }
  return out;
}

LineChart gradient_chart(std::span<const Group> groups, const std::string& title,
                         const std::string& y, CurvePart part) {
  LineChart chart{.title = title,
                  .x = {"part of the batch", ScaleKind::kZero, NumberStyle::kPercent},
                  .y = {y, ScaleKind::kLinear, NumberStyle::kPlain},
                  .series = {},
                  .reference = {}};
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto color = static_cast<int>(g);
    auto top = gradient_points(groups[g], &GradientRecord::top, part);
    if (top.empty()) continue;
    chart.series.push_back(
        {.name = groups[g].label + ", highest losses", .color = color, .points = std::move(top)});
    chart.series.push_back({.name = groups[g].label + ", random",
                            .color = color,
                            .dashed = true,
                            .points = gradient_points(groups[g], &GradientRecord::random, part)});
  }
  return chart;
}

std::string gradient_section(std::span<const Group> all) {
  const auto groups = all.first(std::min(kMostGroups, all.size()));
  using Curve = GradientRecord::Curve;
  const LineChart cosine =
      gradient_chart(groups, "Cosine with the batch's gradient", "cosine", &Curve::cosine);
  if (cosine.series.empty()) return "";
  const LineChart sign =
      gradient_chart(groups, "Equal signs", "share of the elements", &Curve::sign);
  const LineChart lenient = gradient_chart(groups, "Equal signs, |g| < 1e-5 agreeing with all",
                                           "share of the elements", &Curve::sign_small_agree);
  return "<h2>Gradient of a part against that of the batch</h2>\n" +
         legend(groups, style_key("highest losses", "random part")) +
         cards(card(cosine) + card(sign) + card(lenient)) +
         note(
             "One training batch an epoch, mean over the epochs behind the first and the seeds. "
             "Cosine: mean over the parameter tensors. The third chart is the rule of the "
             "original experiments, which flatters.");
}

LineChart watch_chart(const Group& group, const RunRecord& run) {
  LineChart chart{.title = group.label,
                  .x = {"epochs", ScaleKind::kZero, NumberStyle::kPlain},
                  .y = {"probability of selection", ScaleKind::kZero, NumberStyle::kPercent},
                  .series = {},
                  .reference = {}};
  const std::vector<WatchRecord>& records = run.probes.watch;
  for (std::size_t k = 0; k < records[0].ids.size(); ++k) {
    Series series{.name = fmt::format("image {}", records[0].ids[k]),
                  .color = static_cast<int>(k),
                  .points = {}};
    for (const WatchRecord& r : records) {
      if (k >= r.percentiles.size()) continue;
      series.points.push_back(
          {static_cast<double>(r.epoch), std::pow(r.percentiles[k], kWatchBeta)});
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

/// The baseline and the first other group: where one picture a group is enough.
std::vector<const Group*> two_groups(std::span<const Group> groups) {
  std::vector<const Group*> out;
  for (const bool baseline : {true, false}) {
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      const bool selects = g.runs[0].setting("sampler") != "random" || groups.size() < 3;
      return g.baseline == baseline && (baseline || selects);
    });
    if (found != groups.end()) out.push_back(&*found);
  }
  return out;
}

std::string watch_section(std::span<const Group> groups) {
  std::string content;
  for (const Group* group : two_groups(groups)) {
    const RunRecord& run = group->runs[0];
    if (!run.probes.watch.empty()) content += card(watch_chart(*group, run));
  }
  if (content.empty()) return "";
  return "<h2>Selection probability of five images</h2>\n" + cards(content) +
         note(fmt::format("The same five training images, first seed: the power β = {} of the "
                          "percentile of their loss among a fixed sample of training images, "
                          "whatever the method itself takes.",
                          kWatchBeta));
}

std::string strip(const std::string& title, const std::vector<ExtremeImage>& images) {
  std::string out = "<h3>" + escape(title) + "</h3>\n<ul class=\"strip\">";
  for (const ExtremeImage& image : images) {
    out += "<li>";
    if (!image.image.empty()) {
      out += fmt::format("<img alt=\"{}\" src=\"{}\"/>", escape(image.label), escape(image.image));
    }
    out += fmt::format("{}<br/>{}</li>", escape(image.label), short_number(image.mean_loss));
  }
  return out + "</ul>\n";
}

std::string extreme_section(std::span<const Group> groups) {
  std::string content;
  for (const Group* group : two_groups(groups)) {
    const RunRecord& run = group->runs[0];
    if (run.probes.extremes.empty()) continue;
    const ExtremeRecord& r = run.probes.extremes.back();
    content += strip(group->label + ": lowest mean loss", r.lowest) +
               strip(group->label + ": highest mean loss", r.highest);
  }
  if (content.empty()) return "";
  return "<h2>Easiest and hardest images</h2>\n" + content +
         note("Of a fixed sample of training images, by mean loss over the epochs, first seed.");
}

}  // namespace

std::string probe_sections(std::span<const Group> groups) {
  return confidence_section(groups) + gradient_section(groups) + watch_section(groups) +
         extreme_section(groups);
}

}  // namespace graft::report
