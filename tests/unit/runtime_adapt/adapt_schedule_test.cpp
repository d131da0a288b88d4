// SPDX-License-Identifier: Apache-2.0
// Stages around their searches; a shell script stands for `graft adapt`.
#include "runtime/adapt/adapt_schedule.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"

namespace graft::adapt {
namespace {

namespace fs = std::filesystem;
using testing::fails_with;
using testing::TempFolder;

/// Writes its arguments to call.txt; ends, with a best.json, once the folder has a file `go`.
constexpr const char* kAdapt = R"(#!/bin/sh
trap 'exit 10' INT
for a in "$@"; do case "$a" in out=*) out=${a#out=} ;; esac; done
printf '%s ' "$@" > "$out/call.txt"
while ! test -e "$out/../go"; do sleep 0.01; done
echo '{"priority":"linear:0,1/0.5,1","search_cost_units":1234}' > "$out/best.json"
)";

class AdaptScheduleTest : public ::testing::Test {
 protected:
  AdaptScheduleTest() {
    set_program(kAdapt);
    options_.at = {0, 0.5};
    options_.search.trial_cost = 100;
    options_.search.first = "power:2";
    options_.run.out = (folder_ / "run").string();
    options_.run.beta = 2;
    options_.program = folder_ / "graft";
    make_folder(folder_ / "run/ckpt/0000000300");
    make_folder(folder_ / "run/adapt");
    atomic_write(folder_ / "run/ckpt/0000000300/weights", "w");
    atomic_write(folder_ / "run/run.json", "{}");
  }
  void set_program(const std::string& script) {
    atomic_write(folder_ / "graft", script);
    fs::permissions(folder_ / "graft", fs::perms::owner_all);
  }
  void let_searches_end() { atomic_write(folder_ / "run/adapt/go", ""); }
  [[nodiscard]] std::string call(int stage) const {
    return read_file(folder_ / ("run/adapt/stage-" + std::to_string(stage) + "/call.txt"));
  }
  /// Asks again, as later epochs would, until the search has ended.
  static train::PrioritySwap wait_for_swap(AdaptSchedule& schedule, int epoch, double lr) {
    while (true) {
      if (const auto swap = schedule.before_epoch(epoch, 10, lr)) return *swap;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  TempFolder folder_;
  AdaptSchedule::Options options_;
};

TEST_F(AdaptScheduleTest, SearchesEachStageInTheBackgroundAndSwapsOnce) {
  AdaptSchedule schedule(options_);
  EXPECT_EQ(schedule.before_epoch(0, 10, 0.1), std::nullopt);
  EXPECT_TRUE(schedule.searching());
  EXPECT_EQ(schedule.before_epoch(1, 10, 0.1), std::nullopt) << "the run goes on meanwhile";
  let_searches_end();
  const train::PrioritySwap first = wait_for_swap(schedule, 2, 0.1);
  EXPECT_EQ(first.record().dump(), R"({"event":"swap","stage":0,"snapshot_epoch":0,"swap_epoch":2,)"
                                   R"("priority":"linear:0,1/0.5,1","search_cost_units":1234.0})");
  EXPECT_EQ(call(0).find("--from=run"), std::string::npos);
  EXPECT_NE(call(0).find("--first=power:2 "), std::string::npos);
  EXPECT_FALSE(schedule.searching());
  EXPECT_EQ(schedule.before_epoch(4, 10, 0.1), std::nullopt);
  EXPECT_FALSE(schedule.searching()) << "the second stage begins at epoch 5";

  EXPECT_EQ(schedule.before_epoch(5, 10, 0.025), std::nullopt);
  EXPECT_EQ(wait_for_swap(schedule, 6, 0.02).stage, 1);
  const std::string second = call(1);
  EXPECT_NE(second.find("stage-1/snapshot "), std::string::npos) << second;
  EXPECT_NE(second.find(" lr=0.025 "), std::string::npos) << second;
  EXPECT_NE(second.find(" lr_policy=fixed "), std::string::npos) << second;
  EXPECT_NE(second.find("--first=linear:0,1/0.5,1;power:2 "), std::string::npos) << second;
  EXPECT_EQ(read_file(folder_ / "run/adapt/stage-1/snapshot/ckpt/0000000300/weights"), "w");
  EXPECT_EQ(schedule.before_epoch(9, 10, 0.01), std::nullopt);
  EXPECT_FALSE(schedule.searching());
}

TEST_F(AdaptScheduleTest, AResumedRunTakesUpItsSearch) {
  options_.at = {0.5};
  AdaptSchedule killed(options_);
  EXPECT_EQ(killed.before_epoch(5, 10, 0.05), std::nullopt);
  const Json state = killed.state();
  killed.interrupt();
  EXPECT_EQ(killed.state(), state);
  atomic_write(folder_ / "run/ckpt/0000000300/weights", "later");
  AdaptSchedule resumed(options_);
  resumed.restore(state);
  EXPECT_TRUE(resumed.searching());
  let_searches_end();
  const train::PrioritySwap swap = wait_for_swap(resumed, 7, 0.01);
  EXPECT_EQ(swap.snapshot_epoch, 5);
  EXPECT_EQ(swap.swap_epoch, 7);
  EXPECT_NE(call(0).find(" lr=0.05 "), std::string::npos);
  EXPECT_EQ(read_file(folder_ / "run/adapt/stage-0/snapshot/ckpt/0000000300/weights"), "w");
}

TEST_F(AdaptScheduleTest, ErrorsAreThoseOfTheSearch) {
  set_program("#!/bin/sh\nexit 4\n");
  AdaptSchedule schedule(options_);
  (void)schedule.before_epoch(0, 10, 0.1);
  EXPECT_TRUE(fails_with(Errc::kData, {"stage-0", "exit code 4"},
                         [&] { (void)wait_for_swap(schedule, 1, 0.1); }));
  for (const char* text : {"", "0,x", "0.5,0.5", "1", "-0.1"}) {
    EXPECT_TRUE(fails_with(Errc::kUsage, {text}, [&] { (void)parse_stages(text); })) << text;
  }
  EXPECT_EQ(parse_stages("0,0.33,0.66"), (std::vector<double>{0, 0.33, 0.66}));
  options_.at = {0.5, 0.2};
  EXPECT_TRUE(fails_with(Errc::kUsage, {"got 0.2"}, [&] { AdaptSchedule s(options_); }));
  EXPECT_TRUE(fails_with(Errc::kModel, {"adapt schedule"}, [&] { schedule.restore(Json{}); }));
  fs::remove_all(folder_ / "run/ckpt/0000000300");
  options_.at = {0.5};
  AdaptSchedule without(options_);
  EXPECT_TRUE(
      fails_with(Errc::kModel, {"no checkpoint"}, [&] { (void)without.before_epoch(5, 10, 0.1); }));
}

}  // namespace
}  // namespace graft::adapt
