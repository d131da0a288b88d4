// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/selection_pipeline.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "tests/unit/runtime_train/small_run.h"

namespace graft::train {
namespace {

using testing::small_network;

constexpr std::int64_t kRows = 8;
const Shape kImage = {1, 32, 32, 3};

/// A pipeline whose scorer reports the first weight of its replica, so that a test sees which
/// weights scored a slice.
struct Rig {
  Context ctx{Backend::kCpu}, selector_ctx{Backend::kCpu};
  std::unique_ptr<Network> trained = small_network(ctx, "small_cnn", 1);
  Network* replica = nullptr;
  std::unique_ptr<SelectionPipeline> pipeline;

  explicit Rig(int depth, std::int64_t sync_updates = 1) {
    auto copy = small_network(selector_ctx, "small_cnn", 2);
    replica = copy.get();
    pipeline = std::make_unique<SelectionPipeline>(
        *trained, std::move(copy),
        [this](const Network::Rows& rows, std::span<float> losses, std::vector<float>& exact) {
          exact.assign(losses.size(), 1.0F);
          GRAFT_CHECK_EQ(rows.ids.size(), losses.size());
          if (rows.ids[0] == 666) fail(Errc::kData, "bad slice");
          std::fill(losses.begin(), losses.end(), replica->params().values().ptr<float>()[0]);
        },
        SelectionPipeline::Options{
            .depth = depth, .sync_updates = sync_updates, .select_batch = kRows, .image = kImage});
  }
  void set_weight(float value) { trained->params().values().ptr<float>()[0] = value; }
  void submit(std::int64_t first_id, std::int64_t updates) {
    AheadSlice& slice = pipeline->prepare();
    slice.ids = {first_id, first_id + 1, first_id + 2};
    slice.epochs.assign(3, 0);
    slice.scored_rows = {0, 2};
    pipeline->submit(updates);
  }
};

TEST(SelectionPipeline, A41_SlicesAreScoredWithTheWeightsOfTheirSubmission) {
  Rig rig(2);
  for (int update = 0; update < 3; ++update) {
    rig.set_weight(static_cast<float>(10 + update));
    rig.submit(100 * update, update);
  }
  EXPECT_TRUE(rig.pipeline->full());
  EXPECT_THROW((void)rig.pipeline->prepare(), Error);
  for (int update = 0; update < 3; ++update) {
    const AheadSlice& slice = rig.pipeline->front(2);
    EXPECT_EQ(slice.ids[0], 100 * update);
    EXPECT_EQ(slice.losses, (std::vector<float>(2, static_cast<float>(10 + update))));
    rig.pipeline->pop();
  }
  EXPECT_EQ(rig.pipeline->staleness(), 2);
  EXPECT_EQ(rig.pipeline->size(), 0);
}

TEST(SelectionPipeline, A41_StalenessIsAsserted) {
  Rig rig(1);
  rig.submit(0, 0);
  EXPECT_EQ(rig.pipeline->max_staleness(), 1);
  EXPECT_NO_THROW((void)rig.pipeline->front(1));
  EXPECT_THROW((void)rig.pipeline->front(2), Error);
  rig.pipeline->set_updates_per_slice(2);
  EXPECT_NO_THROW((void)rig.pipeline->front(2));
}

TEST(SelectionPipeline, WeightsAreCopiedWhenTheirPeriodHasPassed) {
  Rig rig(0, 3);
  std::vector<float> seen;
  for (int update = 0; update < 7; ++update) {
    rig.set_weight(static_cast<float>(update));
    rig.submit(0, update);
    seen.push_back(rig.pipeline->front(update).losses[0]);
    rig.pipeline->pop();
  }
  EXPECT_EQ(seen, (std::vector<float>{0, 0, 0, 3, 3, 3, 6}));
}

TEST(SelectionPipeline, ErrorsOfTheScorerComeOut) {
  Rig rig(1);
  rig.submit(666, 0);
  EXPECT_THROW((void)rig.pipeline->front(0), Error);
}

TEST(SelectionPipeline, StateTakesUpWhatWasUnderWay) {
  Rig rig(2, 5);
  rig.set_weight(7);
  rig.submit(0, 0);
  rig.set_weight(8);
  rig.submit(10, 1);
  const auto state = rig.pipeline->state();
  Rig next(2, 5);
  next.set_weight(8);
  int refilled = 0;
  next.pipeline->restore({Json::parse(state.meta.dump()), state.arrays},
                         [&refilled](AheadSlice&) { ++refilled; });
  EXPECT_EQ(refilled, 2);
  EXPECT_EQ(next.pipeline->front(1).losses, (std::vector<float>{7, 7}));
  next.pipeline->pop();
  EXPECT_EQ(next.pipeline->front(1).ids[0], 10);
  next.pipeline->pop();
  next.submit(20, 2);  // the period of 5 has not passed: still the weights of update 0
  EXPECT_EQ(next.pipeline->front(2).losses, (std::vector<float>{7, 7}));
}

}  // namespace
}  // namespace graft::train
