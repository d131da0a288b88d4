// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/report.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/io/file.h"
#include "runtime/report/markup.h"
#include "runtime/report/page_charts.h"
#include "runtime/report/style.h"
#include "runtime/report/svg_chart.h"

namespace graft::report {
namespace {

/// The target whose cost the findings quote: the middle one.
constexpr std::size_t kQuotedTarget = 1;

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

std::string target_cell(const TargetCost& target, double baseline_cost) {
  if (target.cost_units.n == 0) return "<td>not reached</td>";
  std::string note;
  if (baseline_cost > 0) note = fmt::format("{:.2f} ×", target.cost_units.mean / baseline_cost);
  if (target.cost_units.n < target.of_runs) {
    note += fmt::format(" ({} of {} runs)", target.cost_units.n, target.of_runs);
  }
  return fmt::format("<td>{}<small>{}</small></td>", short_number(target.cost_units.mean), note);
}

const ComparisonRow* baseline_of(std::span<const ComparisonRow> rows) {
  const auto found = std::find_if(rows.begin(), rows.end(), [](const ComparisonRow& row) {
    return row.baseline && row.targets.has_value();
  });
  return found == rows.end() ? nullptr : &*found;
}

std::string table_head(const ComparisonRow* baseline) {
  std::string out =
      "<div class=\"scroll\"><table><thead><tr><th>Configuration</th><th>Final error</th><th>Best "
      "error</th><th>Backprops</th><th>Updates</th>"
      "<th>Cost units</th><th>Training time</th>";
  if (baseline != nullptr) {
    for (const double factor : kTargetFactors) {
      out += fmt::format("<th>Cost to {}<br/>({} × {})</th>",
                         percent(factor * baseline->final_error.mean), factor,
                         escape(baseline->label));
    }
  }
  return out + "</tr></thead><tbody>\n";
}

std::string table_row(const ComparisonRow& row, const ComparisonRow* baseline) {
  std::string out =
      fmt::format("<tr><td>{}<small>{} run{}, {} epochs</small></td>{}{}{}{}{}{}",
                  escape(row.label), row.final_error.n, row.final_error.n == 1 ? "" : "s",
                  row.epochs, error_cell(row.final_error), error_cell(row.best_error),
                  cell(row.backprops, short_number), cell(row.updates, short_number),
                  cell(row.cost_units, short_number), cell(row.training_seconds, duration));
  for (std::size_t k = 0; baseline != nullptr && k < kTargetFactors.size(); ++k) {
    out += target_cell((*row.targets)[k], (*baseline->targets)[k].cost_units.mean);
  }
  return out + "</tr>\n";
}

std::string table(std::span<const ComparisonRow> rows) {
  const ComparisonRow* baseline = baseline_of(rows);
  std::string out = table_head(baseline);
  for (const ComparisonRow& row : rows) out += table_row(row, baseline);
  out += "</tbody></table></div>\n";
  return out +
         "<p class=\"soft\">± is the 95 % interval of the mean over seeds (Student t), sd that of "
         "a "
         "single run. One cost unit is one training forward of one example; a selection forward "
         "counts 1, a backward 2. Training time leaves evaluation out. Costs to a target error are "
         "read at the end of the first epoch that reaches it.</p>\n";
}

/// What a reader wants to know first, in sentences.
std::string findings(std::span<const ComparisonRow> rows) {
  std::string out;
  const ComparisonRow* baseline = baseline_of(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const ComparisonRow& row = rows[i];
    if (row.final_error.n == 0) continue;
    std::string text =
        fmt::format("<b>{}</b>: {} test error after {} cost units in {} of training",
                    escape(row.label), percent(row.final_error.mean),
                    short_number(row.cost_units.mean), duration(row.training_seconds.mean));
    if (baseline != nullptr && &row != baseline) {
      const TargetCost& own = (*row.targets)[kQuotedTarget];
      const SeedSummary& reference = (*baseline->targets)[kQuotedTarget].cost_units;
      const std::string target =
          percent(kTargetFactors[kQuotedTarget] * baseline->final_error.mean);
      if (own.cost_units.n == 0 || reference.n == 0) {
        text += fmt::format("; it did not reach {}", target);
      } else {
        text += fmt::format("; it reached {} at {:.2f} × the cost units of {}", target,
                            own.cost_units.mean / reference.mean, escape(baseline->label));
      }
      if (own.cost_units.n > 0 && own.cost_units.n < own.of_runs) {
        text += fmt::format(", in {} of {} runs", own.cost_units.n, own.of_runs);
      }
    }
    out += fmt::format("<li class=\"swatch c{}\">{}.</li>\n",
                       i % static_cast<std::size_t>(kSeriesColors), text);
  }
  if (out.empty()) return "<p>No epoch is finished yet.</p>\n";
  return "<ul class=\"findings\">\n" + out + "</ul>\n";
}

/// A setting that all runs share, for the title line.
std::string shared_setting(std::span<const Group> groups, const std::string& key) {
  const std::string first = groups[0].runs[0].setting(key);
  for (const Group& group : groups) {
    for (const RunRecord& run : group.runs) {
      if (run.setting(key) != first) return "";
    }
  }
  return first;
}

std::string header(std::span<const Group> groups) {
  std::size_t runs = 0;
  for (const Group& group : groups) runs += group.runs.size();
  std::string subtitle;
  for (const char* key : {"model", "data", "epochs", "batch", "lr", "lr_policy"}) {
    const std::string value = shared_setting(groups, key);
    if (!value.empty()) subtitle += fmt::format(" · {} {}", key, escape(value));
  }
  return fmt::format("<h1>{}</h1>\n<p class=\"soft\">{} run{}{}</p>\n",
                     groups.size() == 1 ? escape(groups[0].label) : "Comparison of training runs",
                     runs, runs == 1 ? "" : "s", subtitle);
}

std::string settings(std::span<const Group> groups) {
  std::string out = "<h2>Settings</h2>\n";
  for (const Group& group : groups) {
    for (const RunRecord& run : group.runs) {
      const std::string seed = run.setting("seed");
      out += fmt::format("<details><summary>{}{}</summary><pre>{}</pre></details>\n",
                         escape(group.label), seed.empty() ? "" : ", seed " + escape(seed),
                         escape(run.settings.dump(2)));
    }
  }
  return out;
}

}  // namespace

std::string html_report(std::span<const Group> groups) {
  const std::vector<ComparisonRow> rows = compare(groups);
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<title>graft report</title>\n<style>{}</style>\n</head>\n<body>\n",
      kStyle);
  if (groups.empty()) return out + "<p>No runs.</p>\n</body>\n</html>\n";
  out += header(groups) + findings(rows) + "<h2>Results</h2>\n" + table(rows);
  out += chart_sections(groups, baseline_of(rows)) + settings(groups);
  return out + "</body>\n</html>\n";
}

void write_report(std::span<const std::filesystem::path> paths, const std::filesystem::path& out) {
  std::vector<RunRecord> runs;
  for (const std::filesystem::path& path : paths) {
    std::vector<RunRecord> loaded = load_runs(path);
    std::move(loaded.begin(), loaded.end(), std::back_inserter(runs));
  }
  atomic_write(out, html_report(group_runs(std::move(runs))));
}

void write_run_files(const std::filesystem::path& run_dir) {
  std::vector<RunRecord> runs = load_runs(run_dir);
  for (const RunRecord& run : runs) write_summary_csv(run);
  atomic_write(run_dir / "report.html", html_report(group_runs(std::move(runs))));
}

}  // namespace graft::report
