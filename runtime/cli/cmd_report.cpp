// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <iostream>

#include <fmt/format.h>

#include "runtime/cli/commands.h"
#include "runtime/report/comparison.h"
#include "runtime/report/report.h"

namespace graft::cli {
namespace {

namespace fs = std::filesystem;

struct ReportArgs {
  std::vector<std::string> runs;
  std::string out = "report.html";
};

std::string with_spread(const report::SeedSummary& s, double scale, int digits) {
  std::string text = fmt::format("{:.{}f}", scale * s.mean, digits);
  if (s.n > 1) text += fmt::format(" +-{:.{}f}", scale * s.half_width, digits);
  return text;
}

void print_table(const std::vector<report::ComparisonRow>& rows) {
  std::cout << fmt::format("{:<34} {:>16} {:>14} {:>14} {:>12}  {}\n", "method", "test error %",
                           "backprops", "cost units", "seconds",
                           "cost units to 1.1x / 1.2x / 1.4x of the baseline's error");
  for (const auto& r : rows) {
    std::string targets;
    if (r.targets) {
      for (const auto& t : *r.targets) {
        targets += (targets.empty() ? "" : " / ") +
                   (t.cost_units.n > 0 ? fmt::format("{:.0f}", t.cost_units.mean) : "-");
      }
    }
    std::cout << fmt::format("{:<34} {:>16} {:>14} {:>14} {:>12}  {}\n", r.label,
                             with_spread(r.final_error, 100, 2), with_spread(r.backprops, 1, 0),
                             with_spread(r.cost_units, 1, 0), with_spread(r.training_seconds, 1, 1),
                             targets);
  }
}

int run(const ReportArgs& args) {
  std::vector<fs::path> paths(args.runs.begin(), args.runs.end());
  std::vector<report::RunRecord> runs;
  for (const auto& path : paths) {
    for (auto& r : report::load_runs(path)) runs.push_back(std::move(r));
  }
  print_table(report::compare(report::group_runs(std::move(runs))));
  report::write_report(paths, args.out);
  std::cout << "report: " << args.out << "\n";
  return 0;
}

}  // namespace

std::vector<Command> add_report(CLI::App& root) {
  auto args = std::make_shared<ReportArgs>();
  auto* app =
      root.add_subcommand("report", "Compare runs: a table, and one self-contained HTML page");
  app->footer(
      "Examples:\n  graft report runs/traditional runs/sb --out report.html\n  graft report "
      "runs/sb --out sb.html");
  app->add_option("runs", args->runs, "run directories, or folders of seeds")->required();
  app->add_option("--out", args->out, "HTML file to write")->capture_default_str();
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli
