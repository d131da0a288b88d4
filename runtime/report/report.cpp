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
#include "runtime/report/page_tables.h"
#include "runtime/report/probe_charts.h"
#include "runtime/report/style.h"
#include "runtime/report/svg_chart.h"

namespace graft::report {
namespace {

/// The target whose cost the findings quote: the middle one.
constexpr std::size_t kQuotedTarget = 1;

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
      const TargetCost& reference = (*baseline->targets)[kQuotedTarget];
      const std::string target =
          percent(kTargetFactors[kQuotedTarget] * baseline->final_error.mean);
      if (own.cost_units.n == 0 || reference.cost_units.n == 0) {
        text += fmt::format("; it did not reach {}", target);
      } else {
        text +=
            fmt::format("; it reached {} at {:.2f} × the cost units of {} and {:.2f} × its time",
                        target, own.cost_units.mean / reference.cost_units.mean,
                        escape(baseline->label), own.seconds.mean / reference.seconds.mean);
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
  out += header(groups) + findings(rows) + table_sections(rows) + chart_sections(groups, rows) +
         probe_sections(groups) + settings(groups);
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
