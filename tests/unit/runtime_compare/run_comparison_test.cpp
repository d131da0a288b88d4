// SPDX-License-Identifier: Apache-2.0
#include "runtime/compare/run_comparison.h"

#include <csignal>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/io/file.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft::compare {
namespace {

namespace fs = std::filesystem;
using testing::fails_with;
using testing::TempFolder;

ComparisonOptions small(const fs::path& out) {
  train::TrainOptions o;
  o.data = "synthetic:train=96,test=20";
  o.model = "small_cnn";
  o.epochs = 2;
  o.batch = 32;
  o.lr = 0.05;
  o.lr_policy = "fixed";
  o.seeds = 2;
  o.threads = 1;
  o.device = "cpu";
  o.out = out.string();
  return {.train = o, .arms = "traditional;sb beta=1"};
}

/// table.json without what a clock measured.
Json untimed_table(const fs::path& folder) {
  Json table = parse_json(read_file(folder / "table.json"), "table.json");
  for (Json& arm : table.at("arms")) {
    std::vector<std::string> timed;
    for (const auto& [key, value] : arm.items()) {
      if (key.find("seconds") != std::string::npos || key.find("time_to") != std::string::npos ||
          key.find("speedup") != std::string::npos) {
        timed.push_back(key);
      }
    }
    for (const std::string& key : timed) arm.erase(key);
  }
  return table;
}

std::set<std::string> run_folders(const fs::path& folder) {
  std::set<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().filename() == "run.json") {
      found.insert(fs::relative(entry.path().parent_path(), folder).string());
    }
  }
  return found;
}

TEST(Comparison, RunsEveryArmWithEverySeedSeedBySeed) {
  const TempFolder folder;
  ComparisonOptions o = small(folder / "c");
  std::vector<std::size_t> seen;
  std::set<std::string> after_two;
  o.on_run = [&] {
    seen.push_back(run_folders(folder / "c").size());
    if (seen.size() == 2) after_two = run_folders(folder / "c");
  };
  const ComparisonResult result = run_comparison(o);
  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.runs_done, 4);
  EXPECT_EQ(seen, (std::vector<std::size_t>{1, 2, 3, 4}));
  EXPECT_EQ(after_two, (std::set<std::string>{"traditional/seed-1", "sb-beta-1/seed-1"}));
  const Json table = parse_json(read_file(folder / "c/table.json"), "table.json");
  ASSERT_EQ(table.at("arms").size(), 2U);
  for (const Json& arm : table.at("arms")) {
    EXPECT_EQ(arm.at("n"), 2);
    EXPECT_GT(arm.at("seconds_per_epoch"), 0.0);
    EXPECT_GT(arm.at("seconds_ratio"), 0.0);
  }
  EXPECT_EQ(table.at("arms")[0].at("cost_units_ratio"), 1.0);
  EXPECT_TRUE(fs::exists(folder / "c/report.html"));
}

TEST(Comparison, GoesOnWhereItWasInterrupted) {
  const TempFolder folder;
  (void)run_comparison(small(folder / "whole"));
  ComparisonOptions o = small(folder / "broken");
  o.on_run = [] { std::raise(SIGTERM); };
  for (int run = 1; run <= 3; ++run) {
    const ComparisonResult result = run_comparison(o);
    EXPECT_TRUE(result.interrupted);
    // Finished runs count again, each a chance to be interrupted: stop at the first new one.
    o.on_run = [run, done = 0]() mutable {
      if (++done == run + 1) std::raise(SIGTERM);
    };
  }
  EXPECT_EQ(untimed_table(folder / "broken").at("arms")[1].at("n"), 1);
  o.on_run = {};
  EXPECT_FALSE(run_comparison(o).interrupted);
  EXPECT_EQ(untimed_table(folder / "broken").dump(), untimed_table(folder / "whole").dump());
  // A finished comparison is left as it is, and its page is written again.
  const std::string table = read_file(folder / "broken/table.json");
  EXPECT_EQ(run_comparison(o).runs_done, 4);
  EXPECT_EQ(read_file(folder / "broken/table.json"), table);
}

TEST(Comparison, RefusesAnotherOneByWhatDiffers) {
  const TempFolder folder;
  ComparisonOptions o = small(folder / "c");
  o.train.seeds = 1;
  o.train.epochs = 1;
  (void)run_comparison(o);
  ComparisonOptions other = o;
  other.train.lr = 0.1;
  EXPECT_TRUE(fails_with(Errc::kConfig, {"lr: there 0.05, asked for 0.1"},
                         [&] { (void)run_comparison(other); }));
  other = o;
  other.arms = "traditional";
  EXPECT_TRUE(
      fails_with(Errc::kConfig, {"'sb beta=1' is there"}, [&] { (void)run_comparison(other); }));
  other = o;
  other.arms += ";random";
  other.train.seeds = 2;
  EXPECT_EQ(run_comparison(other).runs_done, 6) << "arms and seeds may be added";
  EXPECT_TRUE(
      fails_with(Errc::kConfig, {"seeds: there 2, asked for 1"}, [&] { (void)run_comparison(o); }));
  o.train.force = true;
  o.train.lr = 0.1;
  EXPECT_EQ(run_comparison(o).runs, 2);
  EXPECT_EQ(run_folders(folder / "c").size(), 2U) << "--force removes the runs that were there";
}

TEST(Comparison, ChecksEveryArmBeforeTheFirstRun) {
  const TempFolder folder;
  ComparisonOptions o = small(folder / "c");
  o.arms = "traditional;sb betta=1";
  EXPECT_TRUE(fails_with(Errc::kUsage, {"sb betta=1"}, [&] { (void)run_comparison(o); }));
  EXPECT_FALSE(fs::exists(folder / "c"));
}

}  // namespace
}  // namespace graft::compare
