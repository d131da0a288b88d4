// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "runtime/report/comparison.h"
#include "tests/unit/report/xml.h"

namespace graft::report {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

/// A folder for one test, removed with it.
class Report : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(::testing::TempDir()) / (std::string("graft_report_") + info->name());
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  /// A run of 1000 examples an epoch that ends its epochs with the given test errors.
  fs::path make_run(const std::string& name, const std::string& sampler, int seed,
                    const std::vector<double>& errors, const std::string& model = "resnet20") {
    const fs::path path = root_ / name;
    fs::create_directories(path);
    const Json beta = sampler == "sb" ? Json(2) : Json();
    const Json fingerprint = {{"sampler", sampler},
                              {"sampler_preset", "default"},
                              {"beta", beta},
                              {"model", model},
                              {"seed", seed}};
    std::ofstream(path / "run.json") << Json{{"fingerprint", fingerprint}}.dump();
    std::ofstream metrics(path / "metrics.jsonl");
    const int kept = sampler == "sb" ? 400 : 1000;
    metrics << R"({"event":"start","note":"other events are skipped"})"
            << "\n";
    for (int e = 0; e < static_cast<int>(errors.size()); ++e) {
      const int n = e + 1, select = sampler == "sb" ? 1000 * n : 0;
      const Json seconds = {{"select", select / 500.},
                            {"forward", 2. * n},
                            {"backward", 4. * n},
                            {"eval", 0.5 * n},
                            {"other", 0.25 * n}};
      metrics << Json{{"event", "epoch"},
                      {"epoch", n},
                      {"candidates", 1000 * n},
                      {"forward_select", select},
                      {"forward_train", kept * n},
                      {"backprops", kept * n},
                      {"updates", 8 * n},
                      {"cost_units", select + 3 * kept * n},
                      {"seconds", seconds},
                      {"lr", 0.1},
                      {"train_loss", e == 0 ? Json() : Json(1. / n)},
                      {"test_loss", 1.5 / n},
                      {"test_error", errors[static_cast<std::size_t>(e)]}}
                     .dump()
              << "\n"
              << Json{{"event", "loss_cdf"}, {"epoch", n}, {"quantiles", {0.0, 0.5, 2.0}}}.dump()
              << "\n";
    }
    return path;
  }

  fs::path root_;
};

std::string read(const fs::path& path) {
  std::stringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

std::vector<RunRecord> load_all(const std::vector<fs::path>& paths) {
  std::vector<RunRecord> out;
  for (const fs::path& path : paths) {
    for (RunRecord& run : load_runs(path)) out.push_back(std::move(run));
  }
  return out;
}

TEST_F(Report, ReadsEveryFieldOfAnEpoch) {
  const RunRecord run = load_runs(make_run("a", "sb", 1, {.5, .25}))[0];
  ASSERT_EQ(run.epochs.size(), 2u);
  const EpochRecord& e = run.epochs[1];
  EXPECT_EQ(e.epoch, 2);
  EXPECT_EQ(e.counters, (Counters{2000, 2000, 800, 800, 16}));
  EXPECT_EQ(e.cost_units, 4400);
  EXPECT_EQ(e.total_seconds(), 4 + 4 + 8 + 1 + 0.5);
  EXPECT_EQ(e.training_seconds(), 16);
  EXPECT_EQ(e.test_error, .25);
  EXPECT_TRUE(std::isnan(run.epochs[0].train_loss)) << "null means: was not finite";
  EXPECT_DOUBLE_EQ(run.kept_fraction(1), .4);
  ASSERT_EQ(run.loss_cdfs.size(), 2u);
  EXPECT_EQ(run.loss_cdfs[1].quantiles, (std::vector<double>{0, .5, 2}));
}

TEST_F(Report, FindsTheSeedsOfAFolderInOrder) {
  for (const int seed : {10, 9, 1}) make_run("runs/seed-" + std::to_string(seed), "sb", seed, {.5});
  const std::vector<RunRecord> runs = load_runs(root_ / "runs");
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0].setting("seed"), "1");
  EXPECT_EQ(runs[1].setting("seed"), "9");
  EXPECT_EQ(runs[2].setting("seed"), "10");
}

TEST_F(Report, MissingOrDamagedRunsAreNamed) {
  fs::create_directories(root_);
  EXPECT_THAT([&] { (void)load_runs(root_); }, ThrowsMessage<Error>(HasSubstr(root_.string())));
  const fs::path run = make_run("a", "sb", 1, {.5});
  std::ofstream(run / "metrics.jsonl") << R"({"event":"epoch","epoch":0,"candidates":"x"})"
                                       << "\n";
  EXPECT_THAT([&] { (void)load_runs(run); }, ThrowsMessage<Error>(HasSubstr("damaged epoch")));
}

TEST_F(Report, GroupsDifferInMoreThanTheSeed) {
  const auto groups = group_runs(
      load_all({make_run("a", "sb", 1, {.5}), make_run("b", "traditional", 1, {.5}),
                make_run("c", "sb", 2, {.5}), make_run("d", "sb", 1, {.5}, "wrn-16-2")}));
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].label, "SB, β 2, model resnet20");
  EXPECT_EQ(groups[0].runs.size(), 2u);
  EXPECT_EQ(groups[1].label, "Traditional, model resnet20");
  EXPECT_TRUE(groups[1].baseline);
  EXPECT_FALSE(groups[0].baseline);
  EXPECT_EQ(groups[2].label, "SB, β 2, model wrn-16-2");
}

TEST_F(Report, ComparisonHoldsTheScriptedNumbers) {
  const auto groups = group_runs(load_all({make_run("t1", "traditional", 1, {.50, .30, .20}),
                                           make_run("t2", "traditional", 2, {.50, .30, .22}),
                                           make_run("s1", "sb", 1, {.40, .24, .26}),
                                           make_run("s2", "sb", 2, {.60, .50, .40})}));
  const std::vector<ComparisonRow> rows = compare(groups);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_DOUBLE_EQ(rows[0].final_error.mean, .21);
  EXPECT_NEAR(rows[0].final_error.sd, std::sqrt(2) * .01, 1e-12);
  EXPECT_NEAR(rows[0].final_error.half_width, 12.7062047 * .01, 1e-8);
  EXPECT_DOUBLE_EQ(rows[1].best_error.mean, .32);
  EXPECT_DOUBLE_EQ(rows[1].final_error.mean, .33);
  EXPECT_DOUBLE_EQ(rows[0].backprops.mean, 3000);
  EXPECT_DOUBLE_EQ(rows[0].cost_units.mean, 9000);
  EXPECT_DOUBLE_EQ(rows[1].cost_units.mean, 3000 + 3 * 1200);
  EXPECT_DOUBLE_EQ(rows[1].training_seconds.mean, 3 * (2 + 6));
  // Targets .231, .252 and .294.
  ASSERT_TRUE(rows[1].targets.has_value());
  const auto& sb = *rows[1].targets;
  EXPECT_EQ(sb[0].cost_units.n, 0);
  EXPECT_EQ(sb[1].cost_units.n, 1);  // one seed of two reached it, in its second epoch
  EXPECT_EQ(sb[1].of_runs, 2);
  EXPECT_DOUBLE_EQ(sb[1].cost_units.mean, 4400);
  EXPECT_DOUBLE_EQ((*rows[0].targets)[2].cost_units.mean, 9000);
}

TEST_F(Report, WithoutABaselineThereAreNoTargets) {
  const auto rows = compare(group_runs(load_all({make_run("s", "sb", 1, {.4})})));
  EXPECT_FALSE(rows[0].targets.has_value());
}

TEST_F(Report, PageIsWellFormedSelfContainedAndRepeatable) {
  const std::vector<fs::path> paths = {
      make_run("t", "traditional", 1, {.50, .30, .20}), make_run("s1", "sb", 1, {.40, .24, .19}),
      make_run("s2", "sb", 2, {.40, .30, .21}), make_run("x", "<script>&", 1, {.5, .4})};
  write_report(paths, root_ / "a.html");
  write_report(paths, root_ / "b.html");
  const std::string page = read(root_ / "a.html");
  EXPECT_EQ(page, read(root_ / "b.html"));
  EXPECT_EQ(graft::testing::markup_error(page), "");
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("src=")));
  EXPECT_THAT(page, Not(HasSubstr("href=")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;&amp;"));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page, HasSubstr("Test error against cost units"));
  EXPECT_THAT(page, HasSubstr("Distribution of the losses"));
  EXPECT_THAT(page, HasSubstr("<td>20.00 %</td>"));
  // SB: 2.5 epochs of 2200 cost units and 8 s, against 3 of 3000 and 6 s.
  EXPECT_THAT(page, HasSubstr("it reached 24.00 % at 0.61 × the cost units of Traditional and "
                              "1.11 × its time"));
}

TEST_F(Report, RunInProgressHasAPage) {
  const fs::path run = make_run("t", "traditional", 1, {});
  write_run_files(run);
  EXPECT_THAT(read(run / "report.html"), HasSubstr("No epoch is finished yet"));
  EXPECT_EQ(graft::testing::markup_error(read(run / "report.html")), "");
}

TEST_F(Report, SummaryHasOneLinePerEpoch) {
  const fs::path run = make_run("s", "sb", 1, {.5, .25});
  write_run_files(run);
  const std::string csv = read(run / "summary.csv");
  EXPECT_THAT(csv, HasSubstr("epoch,candidates,forward_select,"));
  EXPECT_THAT(
      csv,
      HasSubstr("\n2,2000,2000,800,800,16,4400,0.1,0.5,0.75,0.25,0.4,17.5,4,0,4,8,0,0,1,0.5\n"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
}

}  // namespace
}  // namespace graft::report
