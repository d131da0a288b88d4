// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/family_report.h"

#include <algorithm>

#include <fmt/format.h>

#include "graph/ir/branch_points.h"
#include "runtime/report/markup.h"
#include "runtime/report/page_parts.h"
#include "runtime/report/style.h"
#include "runtime/train/thumbnail.h"

namespace graft::finetune {
namespace {

using report::escape;
using report::percent;

constexpr int kAllColor = 0, kParetoColor = 1;

const std::string& label_of(const Family& family, int label) {
  return family.labels[static_cast<std::size_t>(label)];
}

std::string header(const Family& family, const Examples& examples) {
  return fmt::format(
      "<h1>{}</h1>\n<p class=\"soft\">{} candidates of {} · {} classes · {} training, {} "
      "validation "
      "and {} test images · {} layers · stem {}, all {}</p>\n",
      escape(family.task), family.candidates.size(), escape(family.base.origin),
      family.labels.size(), examples.train.size(), examples.validation.size(), examples.test.size(),
      count_layers(family.graph), report::duration(family.prefix_seconds),
      report::duration(family.total_seconds));
}

/// Accuracy against depth.
std::string depth_chart(const Family& family) {
  const int layers = count_layers(family.graph);
  report::Series all{.name = "candidate", .color = kAllColor, .points = {}};
  report::Series front{
      .name = "Pareto front", .color = kParetoColor, .joined = false, .points = {}};
  report::Band band{.color = kAllColor, .low = {}, .high = {}};
  for (const Candidate& c : family.candidates) {
    const double x = static_cast<double>(c.frozen) / layers;
    all.points.push_back({x, c.accuracy});
    band.low.push_back({x, c.accuracy_low});
    band.high.push_back({x, c.accuracy_high});
    if (c.pareto) front.points.push_back({x, c.accuracy});
  }
  report::LineChart chart{
      .title = "Accuracy against frozen layers",
      .x = {.label = "layers shared with the base", .style = report::NumberStyle::kPercent},
      .y = {.label = "Top-1 on the test images", .style = report::NumberStyle::kPercent},
      .series = {std::move(all), std::move(front)},
      .reference = std::nullopt,
      .bands = {std::move(band)}};
  return report::cards(report::card(chart)) +
         report::note(
             "Large points: the Pareto front, candidates that no other with as many shared "
             "layers or more reaches. Band: 95 % interval (Wilson).");
}

/// Loss over the epochs of every candidate.
std::string loss_chart(std::span<const CandidateRecord> records) {
  std::string legend;
  report::LineChart chart{.title = "Validation loss",
                          .x = {.label = "epoch"},
                          .y = {.label = "cross-entropy", .scale = report::ScaleKind::kZero},
                          .series = {},
                          .reference = std::nullopt};
  for (const CandidateRecord& r : records) {
    report::Series series{.name = fmt::format("{} frozen", r.frozen),
                          .color = static_cast<int>(chart.series.size()),
                          .points = {}};
    for (const EpochResult& e : r.history) {
      series.points.push_back({static_cast<double>(series.points.size() + 1), e.validation_loss});
    }
    legend += fmt::format("<li><span class=\"swatch c{}\"></span>{}</li>",
                          series.color % report::kSeriesColors, series.name);
    chart.series.push_back(std::move(series));
  }
  return report::cards(report::card(chart)) + "<ul class=\"legend\">" + legend + "</ul>\n";
}

std::string table(const Family& family, std::span<const CandidateRecord> records) {
  std::string out =
      "<div class=\"scroll\"><table><tr><th>frozen layers</th><th>branch "
      "point</th><th>accuracy</th>"
      "<th>95 % interval</th><th>mean TPR</th><th>mean FPR</th><th>epochs, best</th>"
      "<th>trained from</th><th>time</th><th>Pareto front</th></tr>\n";
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Candidate& c = family.candidates[i];
    const CandidateRecord& r = records[i];
    out += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{} to {}</td><td>{}</td><td>{}</td><td>{}, "
        "{}</td>"
        "<td>{}</td><td>{}</td><td>{}</td></tr>\n",
        c.frozen, c.branch.empty() ? "image" : escape(c.branch), percent(c.accuracy),
        percent(c.accuracy_low), percent(c.accuracy_high), percent(c.tpr), percent(c.fpr), c.epochs,
        r.best_epoch, r.start == 0 ? "images" : fmt::format("cached layer {}", r.start),
        report::duration(c.seconds), c.pareto ? "yes" : "");
  }
  return out + "</table></div>\n";
}

std::string confusion_table(const Family& family, const Confusion& confusion) {
  std::string out = "<div class=\"scroll\"><table><tr><th>class \\ first guess</th>";
  for (const std::string& label : family.labels) out += "<th>" + escape(label) + "</th>";
  out += "</tr>\n";
  for (std::size_t c = 0; c < confusion.size(); ++c) {
    out += "<tr><td>" + escape(family.labels[c]) + "</td>";
    for (const std::int64_t n : confusion[c])
      out += n == 0 ? "<td></td>" : fmt::format("<td>{}</td>", n);
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

std::string worst_images(const Family& family, const CandidateRecord& record,
                         const Examples& examples) {
  std::string out = "<ul class=\"strip\">\n";
  for (const WorstImage& w : record.worst) {
    out += fmt::format(
        "<li><img src=\"{}\" alt=\"{}\" title=\"{}\"/>{}<br/>taken for {}<br/>loss {:.2f}</li>\n",
        train::thumbnail(*examples.images, w.id), escape(w.name), escape(w.name),
        escape(label_of(family, w.label)), escape(label_of(family, w.guess)), w.loss);
  }
  return out + "</ul>\n";
}

std::string details(const Family& family, std::span<const CandidateRecord> records,
                    const Examples& examples) {
  std::string out = "<h2>Candidates</h2>\n";
  for (const CandidateRecord& r : records) {
    out += fmt::format("<details><summary>{} frozen layers</summary>\n{}{}</details>\n", r.frozen,
                       confusion_table(family, r.confusion), worst_images(family, r, examples));
  }
  return out;
}

}  // namespace

std::string html_report(const Family& family, std::span<const CandidateRecord> records,
                        const Examples& examples) {
  return fmt::format(
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
             "<title>graft finetune: {}</title>\n<style>{}</style>\n</head>\n<body>\n",
             escape(family.task), report::kStyle) +
         header(family, examples) + depth_chart(family) + table(family, records) +
         loss_chart(records) + details(family, records, examples) + "</body>\n</html>\n";
}

}  // namespace graft::finetune
