// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/feature_cache.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/finetune/family_training.h"
#include "tests/support/fails_with.h"
#include "tests/unit/runtime_finetune/tiny_task.h"

namespace graft::finetune {
namespace {

using ::testing::ElementsAre;
using testing::TinyTask;

std::vector<int> frozen(const std::vector<BranchPoint>& points) {
  std::vector<int> list;
  for (const BranchPoint& p : points) list.push_back(p.frozen);
  return list;
}

TEST(FeatureCache, ChoosesTheDeepestThatFit) {
  const std::vector<BranchPoint> points = {{},
                                           {.value = 3, .frozen = 3, .elements = 100},
                                           {.value = 9, .frozen = 9, .elements = 400},
                                           {.value = 15, .frozen = 15, .elements = 50}};
  EXPECT_THAT(frozen(FeatureCache::choose(points, 10, 1 << 20)), ElementsAre(15, 9, 3));
  EXPECT_THAT(frozen(FeatureCache::choose(points, 10, 4 * 10 * 150)), ElementsAre(15, 3));
  EXPECT_TRUE(FeatureCache::choose(points, 10, 0).empty());
  const auto cached = FeatureCache::choose(points, 10, 4 * 10 * 150);
  EXPECT_EQ(FeatureCache::start_of(points[3], cached).frozen, 15);
  EXPECT_EQ(FeatureCache::start_of(points[2], cached).frozen, 3) << "from the one before";
  EXPECT_EQ(FeatureCache::start_of(points[0], cached).frozen, 0);
}

struct CacheTest : ::testing::Test {
  CacheTest()
      : ctx(Backend::kCpu),
        base(Model::load(ctx, task.options.base)),
        training(task.options, ctx, base) {}

  std::vector<float> rows(const BranchPoint& point) {
    const Graph& graph = training.family().graph;
    const FeatureCache cache(task.folder / "out/cache");
    const auto input = cache.rows(point, graph.node(point.value).shape, 8);
    std::vector<float> values;
    for (std::int64_t id = 0; id < training.examples().size(); ++id) {
      const Tensor row = input->read(std::span(&id, 1));
      const auto* begin = static_cast<const float*>(row.data());
      values.insert(values.end(), begin, begin + row.numel());
    }
    return values;
  }

  TinyTask task;
  Context ctx;
  Model base;
  FamilyTraining training;
};

TEST_F(CacheTest, GoesOnWhereAProcessWasKilled) {
  const auto& points = training.points();
  ASSERT_GE(points.size(), 3U);
  ASSERT_TRUE(training.fill_cache(points).complete);
  const auto whole = rows(points[1]);
  const std::string path =
      (task.folder / "out/cache").string() + "/frozen-" + std::to_string(points[1].frozen) + ".f32";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2 + 3);
  ASSERT_TRUE(training.fill_cache(points).complete);
  const auto again = rows(points[1]);
  ASSERT_EQ(again.size(), whole.size());
  EXPECT_EQ(std::memcmp(again.data(), whole.data(), whole.size() * sizeof(float)), 0);
}

TEST_F(CacheTest, AFullDiskIsAnIoErrorAndCanBeGoneOnFrom) {
  {
    const ScopedWriteFault fault({.after_bytes = 50'000, .error_number = ENOSPC});
    EXPECT_TRUE(testing::fails_with(Errc::kIo, {"frozen-"}, [&] {
      static_cast<void>(training.fill_cache(training.points()));
    }));
  }
  EXPECT_TRUE(training.fill_cache(training.points()).complete);
}

}  // namespace
}  // namespace graft::finetune
