// SPDX-License-Identifier: Apache-2.0
#include "runtime/compare/run_comparison.h"

#include <algorithm>
#include <system_error>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "runtime/report/report.h"
#include "runtime/report/table_json.h"
#include "runtime/train/run_training.h"
#include "runtime/train/stop_signal.h"

namespace graft::compare {
namespace {

namespace fs = std::filesystem;
using train::RunResult;
using train::TrainOptions;

constexpr const char* kDescription = "compare.json";
constexpr int kFormat = 1;

/// What the runs of a comparison share; the arms and the number of seeds may grow.
Json shared_settings(const TrainOptions& base) {
  Json shared = base.fingerprint();
  // Where the data lie does not matter; what they are, the run directories check.
  shared.erase("data");
  return shared;
}

Json describe(const TrainOptions& base, const std::vector<Arm>& arms) {
  Json list = Json::array();
  for (const Arm& arm : arms) list.push_back(arm.text);
  return {{"format", kFormat},
          {"settings", shared_settings(base)},
          {"arms", list},
          {"seeds", base.seeds}};
}

void check_same_comparison(const fs::path& folder, const Json& there, const Json& wanted) {
  std::string differing;
  const Json& before = there.at("settings");
  for (const auto& [key, value] : wanted.at("settings").items()) {
    const Json old = before.value(key, Json());
    if (old == value) continue;
    differing += "\n  " + key + ": there " + old.dump() + ", asked for " + value.dump();
  }
  const auto arms = wanted.at("arms").get<std::vector<std::string>>();
  for (const std::string& arm : there.at("arms").get<std::vector<std::string>>()) {
    if (std::find(arms.begin(), arms.end(), arm) == arms.end()) {
      differing += "\n  arms: '" + arm + "' is there, not asked for";
    }
  }
  if (wanted.at("seeds") < there.at("seeds")) {
    differing +=
        "\n  seeds: there " + there.at("seeds").dump() + ", asked for " + wanted.at("seeds").dump();
  }
  if (differing.empty()) return;
  fail(Errc::kConfig, folder.string(), " holds another comparison:", differing,
       "\nArms and seeds may be added, nothing else changed; give another --out, or --force to "
       "replace it");
}

void remove_comparison(const fs::path& folder, const Json& there) {
  std::error_code error;
  for (const std::string& arm : there.at("arms").get<std::vector<std::string>>()) {
    if (!error) fs::remove_all(folder / arm_slug(arm), error);
  }
  if (!error) fs::remove(folder / kDescription, error);
  if (error) fail(Errc::kIo, "cannot remove ", folder.string(), ": ", error.message());
}

void open_comparison(const fs::path& folder, const TrainOptions& base,
                     const std::vector<Arm>& arms) {
  const fs::path file = folder / kDescription;
  const Json wanted = describe(base, arms);
  if (fs::exists(file)) {
    const Json there = parse_json(read_file(file), file.string());
    if (!there.is_object() || there.value("format", 0) != kFormat) {
      fail(Errc::kConfig, file.string(), ": not a comparison of format ", kFormat);
    }
    if (base.force) {
      remove_comparison(folder, there);
    } else {
      check_same_comparison(folder, there, wanted);
    }
  }
  make_folder(folder);
  atomic_write(file, wanted.dump(2) + "\n");
}

TrainOptions run_options(const fs::path& folder, const Arm& arm, std::uint64_t seed) {
  TrainOptions one = arm.options;
  one.seed = seed;
  one.seeds = 1;
  one.out = (folder / arm.slug / ("seed-" + std::to_string(seed))).string();
  one.resume = true;
  one.force = false;
  return one;
}

bool holds_runs(const fs::path& folder) {
  if (!fs::is_directory(folder)) return false;
  const auto entries = fs::directory_iterator(folder);
  return std::any_of(begin(entries), end(entries), [](const fs::directory_entry& entry) {
    return fs::exists(entry.path() / "metrics.jsonl");
  });
}

}  // namespace

std::vector<report::Group> load_arms(const fs::path& folder, const std::vector<Arm>& arms) {
  std::vector<report::Group> groups;
  bool baseline = false;
  for (const Arm& arm : arms) {
    if (!holds_runs(folder / arm.slug)) continue;
    report::Group group{.label = arm.text, .baseline = false, .runs = {}};
    for (report::RunRecord& run : report::load_runs(folder / arm.slug)) {
      if (!run.epochs.empty()) group.runs.push_back(std::move(run));
    }
    if (group.runs.empty()) continue;
    group.baseline = !baseline && arm.options.sampler == "traditional";
    baseline = baseline || group.baseline;
    groups.push_back(std::move(group));
  }
  return groups;
}

void write_comparison(const fs::path& folder, const std::vector<Arm>& arms) {
  const std::vector<report::Group> groups = load_arms(folder, arms);
  atomic_write(folder / "table.json", report::table_json(groups).dump(2) + "\n");
  atomic_write(folder / "report.html", report::html_report(groups));
}

ComparisonResult run_comparison(const ComparisonOptions& options) {
  const TrainOptions& base = options.train;
  const std::vector<Arm> arms = parse_arms(options.arms, base);
  const fs::path folder = base.out;
  open_comparison(folder, base, arms);
  ComparisonResult result{.interrupted = false,
                          .runs_done = 0,
                          .runs = base.seeds * static_cast<std::int64_t>(arms.size())};
  const train::StopSignal signals;
  for (int s = 0; s < base.seeds; ++s) {
    const std::uint64_t seed = base.seed + static_cast<std::uint64_t>(s);
    for (const Arm& arm : arms) {
      log::info("run {} of {}: {}, seed {}", result.runs_done + 1, result.runs, arm.text, seed);
      const auto ended = train::run_training(run_options(folder, arm, seed)).back().end;
      log::set_file("");
      if (ended != RunResult::End::kInterrupted) {
        result.runs_done += 1;
        if (ended != RunResult::End::kNothingLeft) write_comparison(folder, arms);
        if (options.on_run) options.on_run();
      }
      result.interrupted = train::StopSignal::requested() && result.runs_done < result.runs;
      if (result.interrupted) break;
    }
    if (result.interrupted) break;
  }
  write_comparison(folder, arms);
  return result;
}

}  // namespace graft::compare
