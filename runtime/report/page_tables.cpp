// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/page_tables.h"

#include <vector>

#include <fmt/format.h>

#include "runtime/report/markup.h"
#include "runtime/report/page_parts.h"

namespace graft::report {
namespace {

/// A table cell: the mean, and over several seeds that differ what is known of its spread.
std::string cell(const SeedSummary& s, std::string (*format)(double)) {
  if (s.n == 0) return "<td>-</td>";
  if (s.n == 1 || s.sd == 0) return fmt::format("<td>{}</td>", format(s.mean));
  return fmt::format("<td>{}<small>± {}<br/>sd {}</small></td>", format(s.mean),
                     format(s.half_width), format(s.sd));
}

std::string error_cell(const SeedSummary& s) {
  return cell(s, [](double v) { return percent(v); });
}

std::string ratio(const SeedSummary& s, const SeedSummary& reference) {
  if (s.n == 0 || reference.n == 0 || !(reference.mean > 0)) return "-";
  return fmt::format("{:.2f} ×", s.mean / reference.mean);
}

std::string table(const std::vector<std::string>& heads, const std::string& body) {
  std::string out = "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& head : heads) out += "<th>" + head + "</th>";
  return out + "</tr></thead><tbody>\n" + body + "</tbody></table></div>\n";
}

std::string results(std::span<const ComparisonRow> rows) {
  std::string body;
  for (const ComparisonRow& row : rows) {
    body += fmt::format("<tr><td>{}<small>{} run{}, {} epochs</small></td>{}{}{}{}{}{}</tr>\n",
                        escape(row.label), row.final_error.n, row.final_error.n == 1 ? "" : "s",
                        row.epochs, error_cell(row.final_error), error_cell(row.best_error),
                        cell(row.backprops, short_number), cell(row.updates, short_number),
                        cell(row.cost_units, short_number), cell(row.training_seconds, duration));
  }
  return "<h2>Results</h2>\n" +
         table({"Configuration", "Final error", "Best error", "Backprops", "Updates", "Cost units",
                "Training time"},
               body) +
         note(
             "± is the 95 % interval of the mean over seeds (Student t), sd that of a single run. "
             "One cost unit is one training forward of one example; a selection forward counts 1, "
             "a backward 2. Training time leaves evaluation, checkpoints, records and probes out.");
}

std::string pace(std::span<const ComparisonRow> rows, const ComparisonRow& baseline) {
  std::string body;
  for (const ComparisonRow& row : rows) {
    body += fmt::format(
        "<tr><td>{}</td>{}<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        escape(row.label), cell(row.epoch_seconds, duration),
        ratio(row.epoch_seconds, baseline.epoch_seconds),
        ratio(row.training_seconds, baseline.training_seconds),
        ratio(row.cost_units, baseline.cost_units),
        row.kept_fraction.n > 0 ? percent(row.kept_fraction.mean, 1) : "-",
        row.flip_rate.n > 0 ? percent(row.flip_rate.mean) : "-");
  }
  return "<h2>Time and cost against " + escape(baseline.label) + "</h2>\n" +
         table({"Configuration", "Epoch", "Epoch, ratio", "Whole run, ratio", "Cost units, ratio",
                "Kept", "Flip rate"},
               body) +
         note(fmt::format("Epoch: {}. Kept: examples backpropagated per example of the training "
                          "set, after priming. Flip rate: decisions that cheap scores changed.",
                          kSecondsBasis));
}

std::string target_cell(const TargetCost& own, const TargetCost& reference) {
  if (own.seconds.n == 0) return "<td>not reached</td>";
  std::string small = fmt::format("{} updates<br/>{} cost units", short_number(own.updates.mean),
                                  short_number(own.cost_units.mean));
  if (own.median_seconds.n > 0) {
    small += "<br/>median of 3: " + duration(own.median_seconds.mean);
  }
  if (own.seconds.n < own.of_runs) {
    small += fmt::format("<br/>{} of {} runs", own.seconds.n, own.of_runs);
  }
  return fmt::format("<td>{} <b>({})</b><small>{}</small></td>", duration(own.seconds.mean),
                     ratio(reference.seconds, own.seconds), small);
}

std::string time_to_error(std::span<const ComparisonRow> rows, const ComparisonRow& baseline) {
  std::vector<std::string> heads = {"Configuration"};
  for (const double factor : kTargetFactors) {
    heads.push_back(
        fmt::format("{}<br/>{} ×", percent(factor * baseline.final_error.mean), factor));
  }
  std::string body;
  for (const ComparisonRow& row : rows) {
    body += "<tr><td>" + escape(row.label) + "</td>";
    for (std::size_t k = 0; k < kTargetFactors.size(); ++k) {
      body += target_cell((*row.targets)[k], (*baseline.targets)[k]);
    }
    body += "</tr>\n";
  }
  return "<h2>Time to an error</h2>\n" + table(heads, body) +
         note("Targets are multiples of " + escape(baseline.label) +
              "'s mean final error. Training time at the end of the first epoch that reaches it, "
              "mean over the runs that do; in brackets how many times sooner than " +
              escape(baseline.label) +
              ". Median of 3: by the median error of the last three epochs.");
}

}  // namespace

std::string table_sections(std::span<const ComparisonRow> rows) {
  std::string out = results(rows);
  const ComparisonRow* baseline = baseline_of(rows);
  if (baseline == nullptr || rows.size() < 2) return out;
  return out + pace(rows, *baseline) + time_to_error(rows, *baseline);
}

}  // namespace graft::report
