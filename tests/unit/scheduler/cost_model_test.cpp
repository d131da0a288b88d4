// SPDX-License-Identifier: Apache-2.0
#include "scheduler/model/cost_model.h"

#include <vector>

#include <gtest/gtest.h>

#include "scheduler/plan/exec_tree.h"
#include "tests/support/fails_with.h"
#include "tests/unit/scheduler/recorded.h"

namespace graft {
namespace {

using testing::fails_with;

TEST(CostModel, WorkedExampleD) {
  if (!testing::have_recorded()) GTEST_SKIP() << "no ../shared/oracles/mainstream";
  const CostModel costs = testing::recorded_costs();
  EXPECT_NEAR(costs.cost(std::vector<Placement>{{39, 4}, {51, 4}, {51, 4}}), 99.6864, 1e-9);
  EXPECT_NEAR(costs.cost(std::vector<Placement>{{57, 4}, {33, 4}, {57, 4}}), 98.8560, 1e-9);
  EXPECT_NEAR(costs.prefix(81), 20.7702, 1e-9);
  EXPECT_NEAR(costs.total(), 20.8138, 1e-9);
}

TEST(CostModel, StemRunsAtItsFastestUserBranchesAtTheirOwn) {
  const CostModel costs({1, 10, 100});
  EXPECT_EQ(costs.cost({}), 0);
  EXPECT_EQ(costs.cost(std::vector<Placement>{{0, 2}}), 222);
  EXPECT_EQ(costs.cost(std::vector<Placement>{{3, 2}}), 222);
  EXPECT_EQ(costs.cost(std::vector<Placement>{{0, 2}, {0, 3}}), 555);
  // Layer 0 at 5, layer 1 at 2; branches of 110 at 5 and 100 at 2.
  EXPECT_EQ(costs.cost(std::vector<Placement>{{1, 5}, {2, 2}}), 5 + 20 + 550 + 200);
  // The shallow one is slower: the stem to the deep one runs at the deep one's rate.
  EXPECT_EQ(costs.cost(std::vector<Placement>{{1, 2}, {2, 5}}), 5 + 50 + 220 + 500);
}

TEST(CostModel, LatencyAndMemoryCountEachPartOnce) {
  const CostModel costs({1, 10, 100}, "ms", {7, 5, 3});
  const std::vector<Placement> apps = {{1, 5}, {2, 2}, {0, 1}};
  EXPECT_EQ(costs.latency(apps), 11 + 110 + 100 + 111);
  EXPECT_EQ(costs.memory(apps), 12 + 8 + 3 + 15);
}

TEST(CostModel, RefusesByField) {
  const auto parse = [](const char* text) {
    return [text] { (void)parse_costs(parse_json(text, "c.json"), "c.json"); };
  };
  using V = std::vector<std::string>;
  EXPECT_TRUE(fails_with(Errc::kModel, V{"c.json", "layers is missing"}, parse("{}")));
  EXPECT_TRUE(fails_with(Errc::kModel, V{"layers", "empty"}, parse(R"({"layers": []})")));
  EXPECT_TRUE(fails_with(Errc::kModel, V{"layers[1]", "-1"}, parse(R"({"layers": [1, -1]})")));
  EXPECT_TRUE(fails_with(Errc::kModel, V{"layers[0]", "number"}, parse(R"({"layers": ["x"]})")));
  EXPECT_TRUE(fails_with(Errc::kModel, V{"memory", "1 entries for 2"},
                         parse(R"({"layers": [1, 1], "memory": [1]})")));
}

TEST(ExecTree, CostsWhatTheModelSaysAndReadsBack) {
  for (std::uint64_t id = 0; id < 200; ++id) {
    const auto p = testing::random_problem(id, 4, 3, EventModel::kText);
    std::vector<Placement> apps;
    for (const Application& a : p.workload.apps) {
      apps.push_back({a.candidates[0].frozen, 1.0 + static_cast<double>(apps.size() * id % 3)});
    }
    const ExecTree tree = make_exec_tree(apps, p.costs.n_layers());
    EXPECT_NEAR(tree.cost(p.costs), p.costs.cost(apps), 1e-9);
    EXPECT_EQ(parse_exec_tree(Json(tree), "tree"), tree);
  }
}

TEST(ExecTree, RefusesWhatNoScheduleIs) {
  const std::vector<Placement> apps = {{1, 5}, {2, 2}};
  const Json good = make_exec_tree(apps, 3);
  ASSERT_EQ(good.size(), 4u);
  const auto broken = [&](std::size_t node, const char* field, const Json& value) {
    Json bad = good;
    bad[node][field] = value;
    return fails_with(Errc::kModel, {"t.json", field},
                      [&] { (void)parse_exec_tree(bad, "t.json"); });
  };
  EXPECT_TRUE(broken(1, "fps", 6));
  EXPECT_TRUE(broken(1, "parent", 1));
  EXPECT_TRUE(broken(1, "layers", {2, 3}));
  EXPECT_TRUE(broken(3, "parent", 2));
  EXPECT_TRUE(broken(3, "apps", {0, 1}));
}

}  // namespace
}  // namespace graft
