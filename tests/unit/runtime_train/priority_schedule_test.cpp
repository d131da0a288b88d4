// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/priority_schedule.h"

#include <filesystem>
#include <memory>

#include <gtest/gtest.h>

#include "engine/io/records.h"
#include "runtime/train/trainer.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_train/small_run.h"

namespace graft::train {
namespace {

namespace fs = std::filesystem;
using testing::fails_with;
using testing::small_options;
using testing::TempFolder;

/// From the second epoch on, everything is selected.
class EverythingFromEpochOne final : public PrioritySchedule {
 public:
  explicit EverythingFromEpochOne(int& interrupts) : interrupts_(interrupts) {}
  std::optional<PrioritySwap> before_epoch(int epoch, int, double) override {
    if (swapped_ || epoch < 1) return std::nullopt;
    swapped_ = true;
    return PrioritySwap{
        .swap_epoch = epoch, .priority = Priority::power(0), .search_cost_units = 7};
  }
  void interrupt() override { ++interrupts_; }
  [[nodiscard]] Json state() const override { return {{"swapped", swapped_}}; }
  void restore(const Json& state) override { swapped_ = state.at("swapped"); }

 private:
  int& interrupts_;
  bool swapped_ = false;
};

TrainOptions options_of(const fs::path& out) {
  TrainOptions o = small_options(out.string());
  o.sampler = "sb";
  o.sampler_options["prime_epochs"] = "0";
  return o;
}

Counters run(const TrainOptions& o, int& interrupts) {
  const auto ctx = make_context(o.device, o.threads);
  return Trainer(*ctx, o, o.out, std::make_unique<EverythingFromEpochOne>(interrupts))
      .run()
      .counters;
}

TEST(PrioritySchedule, SwapsThePriorityOfTheSamplerAndIsJournalled) {
  const TempFolder folder;
  int interrupts = 0;
  const Counters c = run(options_of(folder / "run"), interrupts);
  EXPECT_EQ(interrupts, 1);
  EXPECT_LT(c.backprops, 3 * 300);  // the first epoch selects by percentile
  EXPECT_GE(c.backprops, 2 * 300);  // the others take all
  int swaps = 0;
  for (const Json& record : read_records(folder / "run" / "metrics.jsonl")) {
    if (record.at("event") != "swap") continue;
    ++swaps;
    EXPECT_EQ(record, Json::parse(R"({"event": "swap", "stage": 0, "snapshot_epoch": 0,
        "swap_epoch": 1, "priority": "power:0", "search_cost_units": 7.0})"));
  }
  EXPECT_EQ(swaps, 1);
}

TEST(PrioritySchedule, AResumedRunKeepsTheSwappedPriority) {
  const TempFolder folder;
  TrainOptions o = options_of(folder / "run");
  o.epochs = 2;
  int interrupts = 0;
  const Counters before = run(o, interrupts);
  o.resume = true;
  const auto ctx = make_context(o.device, o.threads);
  Trainer again(*ctx, o, o.out, std::make_unique<EverythingFromEpochOne>(interrupts));
  EXPECT_EQ(again.step().counters().backprops, before.backprops);
  EXPECT_EQ(again.sampler().state().meta.at("priority"), "power:0");
}

TEST(PrioritySchedule, NeedsASamplerThatDrawsByOne) {
  const TempFolder folder;
  TrainOptions o = options_of(folder / "run");
  o.sampler = "traditional";
  o.sampler_options.clear();
  int interrupts = 0;
  EXPECT_TRUE(fails_with(Errc::kUsage, {"traditional", "priority"}, [&] { run(o, interrupts); }));
}

}  // namespace
}  // namespace graft::train
