// SPDX-License-Identifier: Apache-2.0
// The search around its trials; a shell script stands for `graft train`.
#include "runtime/adapt/adapter.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft::adapt {
namespace {

namespace fs = std::filesystem;
using testing::fails_with;
using testing::TempFolder;

/// Appends its arguments to calls.txt, then reports three evaluations; the error of the last is the
/// y of the second knot, that of the two before it 0.
constexpr const char* kTrain = R"(#!/bin/sh
for a in "$@"; do
  case "$a" in
    out=*) out=${a#out=} ;;
    priority=*) error=$(echo "${a#priority=}" | cut -d/ -f2 | cut -d, -f2) ;;
    stop_at_cost=*) cost=${a#stop_at_cost=} ;;
  esac
done
printf '%s ' "$@" >> "$out/../../calls.txt"
echo >> "$out/../../calls.txt"
line() {
  printf '{"event":"epoch","epoch":%s,"candidates":1,"forward_select":1,"forward_train":1,' "$1"
  printf '"backprops":1,"updates":1,"cost_units":%s,"seconds":{"other":2},"test_error":%s}\n' \
    "$cost" "$2"
}
for i in 1 2 3; do line $i 0.9; done > "$out/metrics.jsonl"
line 4 0 >> "$out/metrics.jsonl"
line 5 0 >> "$out/metrics.jsonl"
line 6 "$error" >> "$out/metrics.jsonl"
mkdir -p "$out/ckpt"
)";

class AdapterTest : public ::testing::Test {
 protected:
  AdapterTest() {
    set_program(kTrain);
    trial_.data = "synthetic:train=100,test=10";
    trial_.out = (folder_ / "search").string();
    trial_.holdout = 20;
    options_.trials = 6;
    options_.trial_cost = 900;
    options_.search = "random";
  }

  void set_program(const std::string& script) {
    atomic_write(folder_ / "graft", script);
    fs::permissions(folder_ / "graft", fs::perms::owner_all);
  }
  AdaptResult run() { return Adapter(trial_, options_, folder_ / "graft").run(); }
  AdaptResult resume() {
    trial_.resume = true;
    return run();
  }
  [[nodiscard]] fs::path out(const std::string& name) const { return folder_ / "search" / name; }
  [[nodiscard]] std::size_t calls() const {
    const std::string text = read_file(out("calls.txt"));
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  [[nodiscard]] Json best() const { return parse_json(read_file(out("best.json")), "best.json"); }

  TempFolder folder_;
  train::TrainOptions trial_;
  AdaptOptions options_;
};

using Adapt = AdapterTest;

TEST_F(Adapt, JournalHoldsEveryTrialAndBestTheBest) {
  const AdaptResult result = run();
  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.finished, 6);
  EXPECT_EQ(result.cost_units, 6 * 900);
  const TrialJournal journal(out("trials.jsonl"));
  double largest = 0;
  for (const FinishedTrial& f : journal.finished()) {
    EXPECT_DOUBLE_EQ(f.objective, 1 - f.trial.priority.y()[1] / 3) << "mean of the last three";
    EXPECT_EQ(f.cost_units, 900);
    EXPECT_EQ(f.seconds, 2);
    largest = std::max(largest, f.objective);
  }
  const Json json = best();
  EXPECT_EQ(json.at("objective"), largest);
  EXPECT_EQ(Priority::parse(json.at("priority").get<std::string>()), result.best.trial.priority);
  EXPECT_EQ(json.at("trial"), result.best.trial.id);
  EXPECT_EQ(json.at("search_cost_units"), 6 * 900);
  EXPECT_EQ(json.at("finished"), true);
  EXPECT_FALSE(fs::exists(out("trials/0000/ckpt"))) << "room on the disk";
}

TEST_F(Adapt, TrialsGetTheOptionsOfTheSearch) {
  trial_.lr = 0.025;
  trial_.sampler_options["R"] = "64";
  trial_.threads = 2;
  options_.from = "runs/start";
  options_.trials = 1;
  (void)run();
  const std::string command = read_file(out("calls.txt"));
  for (const char* part :
       {" train ", " lr=0.025 ", " sampler.R=64 ", " sampler=sb ", " holdout=20 ", " threads=2 ",
        " init_from=runs/start ", " stop_at_cost=900", " resume=true ", " force=false ",
        " priority=linear:0,0.5,0.8,1/", " data=synthetic:train=100,test=10 "}) {
    EXPECT_NE(command.find(part), std::string::npos) << part << " in " << command;
  }
}

TEST_F(Adapt, HoldsOutATenthUnlessTold) {
  trial_.holdout = 0;
  options_.trials = 1;
  (void)run();
  EXPECT_NE(read_file(out("calls.txt")).find(" holdout=10 "), std::string::npos);
}

TEST_F(Adapt, ResumeRepeatsOnlyTheTrialOfATornLine) {
  (void)run();
  const std::string whole = read_file(out("trials.jsonl"));
  atomic_write(out("trials.jsonl"), whole.substr(0, whole.size() - 10));
  (void)resume();
  EXPECT_EQ(read_file(out("trials.jsonl")), whole);
  EXPECT_EQ(calls(), 7U);
  (void)resume();
  EXPECT_EQ(calls(), 7U) << "nothing is left";
  options_.trials = 8;
  EXPECT_EQ(resume().finished, 8);
  EXPECT_EQ(calls(), 9U);
}

TEST_F(Adapt, AshaTakesTrialsFurtherInTheirFolders) {
  options_.search = "asha";
  options_.trials = 9;
  options_.jobs = 3;
  const AdaptResult result = run();
  EXPECT_EQ(result.best.trial.budget, 900);
  EXPECT_EQ(std::distance(fs::directory_iterator(out("trials")), fs::directory_iterator()), 9);
  EXPECT_GE(result.finished, 9 + 3 + 1);
  EXPECT_LT(result.cost_units, 9 * 900);
  const auto before = calls();
  (void)resume();
  EXPECT_EQ(calls(), before);
}

TEST_F(Adapt, ATrialThatDivergesCountsAsWorst) {
  set_program(std::string(kTrain) + "case \"$out\" in */0002) exit 8;; esac\n");
  (void)run();
  EXPECT_EQ(TrialJournal(out("trials.jsonl")).finished().at(2).objective, 0);
  EXPECT_EQ(calls(), 6U);
}

TEST_F(Adapt, ATrialThatFailsEndsTheSearchWithItsError) {
  const std::string fails =
      std::string(kTrain) + "case \"$out\" in */0002) echo 'error: no data'; exit 4;; esac\n";
  set_program(fails);
  EXPECT_TRUE(fails_with(Errc::kData, {"trial 2", "exit code 4", "error: no data", "child.log"},
                         [&] { (void)run(); }));
  set_program(kTrain);
  EXPECT_EQ(resume().finished, 6);
  EXPECT_EQ(calls(), 7U) << "only trial 2 again";
}

TEST_F(Adapt, RunsNoMoreThanJobsAtATime) {
  set_program(std::string(R"(#!/bin/sh
for a in "$@"; do case "$a" in out=*) base=${a#out=}/../..; esac; done
mkdir "$base/running.$$"
for wait in $(seq 1000); do  # for the other two, at most 20 s; later trials find `three` at once
  count=$(ls -d "$base"/running.* | wc -l)
  [ "$count" -ge 3 ] && touch "$base/three"
  [ -e "$base/three" ] && break
  sleep 0.02
done
echo "$count" >> "$base/counts.txt"
rmdir "$base/running.$$"
)") + std::string(kTrain).substr(10));
  options_.jobs = 3;
  options_.trials = 12;
  (void)run();
  const std::string counts = read_file(out("counts.txt"));
  EXPECT_NE(counts.find('3'), std::string::npos) << "three do run together";
  for (const char c : counts) EXPECT_TRUE(c == '\n' || (c >= '1' && c <= '3')) << counts;
}

TEST_F(Adapt, RefusesAnotherSearchInTheFolder) {
  (void)run();
  EXPECT_TRUE(fails_with(Errc::kConfig, {"--resume", "--force"}, [&] { (void)run(); }));
  options_.trial_cost = 600;
  EXPECT_TRUE(fails_with(Errc::kConfig, {"trial_cost", "900", "600"}, [&] { (void)resume(); }));
  trial_.lr = 0.5;
  options_.trial_cost = 900;
  EXPECT_TRUE(fails_with(Errc::kConfig, {"lr", "0.5"}, [&] { (void)resume(); }));
  trial_.resume = false;
  trial_.force = true;
  EXPECT_EQ(run().finished, 6);
}

TEST_F(Adapt, RefusesWhatItCannotSearch) {
  const auto refuses = [&](const std::vector<std::string>& parts) {
    return fails_with(Errc::kUsage, parts, [&] { (void)run(); });
  };
  options_.search = "grid";
  EXPECT_TRUE(refuses({"'grid'", "gp, random, asha"}));
  options_.search = "gp";
  for (const double budget : {0.0, -1.0}) {
    options_.trial_cost = budget;
    EXPECT_TRUE(refuses({"--trial-cost", "above 0"}));
  }
  options_.trial_cost = 900;
  options_.space = "spline";
  EXPECT_TRUE(refuses({"'spline'"}));
  options_.space = "knots";
  options_.first = "power:2;powr:1";
  EXPECT_TRUE(refuses({"'powr:1'"}));
  options_.first = "";
  options_.jobs = 0;
  EXPECT_TRUE(refuses({"--jobs 0"}));
  options_.jobs = 1;
  trial_.beta = 2;
  EXPECT_TRUE(refuses({"--beta"}));
  trial_.beta.reset();
  trial_.stop_at_cost = 5;
  EXPECT_TRUE(refuses({"--trial-cost"}));
  EXPECT_FALSE(fs::exists(out(""))) << "nothing is left behind";
}

}  // namespace
}  // namespace graft::adapt
