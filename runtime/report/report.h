// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "runtime/report/comparison.h"

namespace graft::report {

/// One self-contained HTML page about the groups' runs: findings, comparison table, error against
/// epochs, updates, backprops, cost units and seconds, losses, kept fraction, learning rate, loss
/// distribution, time split, settings. No script, no external resource; the same runs give the same
/// bytes.
[[nodiscard]] std::string html_report(std::span<const Group> groups);

/// Loads the runs under each path (load_runs) and writes the page to `out`, whole or not at all.
void write_report(std::span<const std::filesystem::path> paths, const std::filesystem::path& out);

/// summary.csv and report.html in a run's own directory.
void write_run_files(const std::filesystem::path& run_dir);

}  // namespace graft::report
