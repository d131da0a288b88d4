// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/execution_plan.h"

#include <gtest/gtest.h>

#include "graph/plan/fuse.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using testing::zoo_graph;

class ExecutionPlanOf : public ::testing::TestWithParam<const char*> {};

TEST_P(ExecutionPlanOf, NeedsAtMostATenthMoreThanWhatLives) {
  const Graph g = fuse(zoo_graph(GetParam(), 32));
  const ExecutionPlan train = plan_training(g, g.output("loss"), 16, DType::kF32);
  const ExecutionPlan eval = plan_forward(g, 16, DType::kF32);
  for (const ExecutionPlan* plan : {&train, &eval}) {
    EXPECT_GE(plan->memory.bytes, plan->memory.peak_live);
    EXPECT_LE(static_cast<double>(plan->memory.bytes),
              1.1 * static_cast<double>(plan->memory.peak_live));
  }
  EXPECT_LT(eval.memory.bytes, train.memory.bytes);
}

TEST_P(ExecutionPlanOf, GradientsAreWrittenBeforeTheyAreAddedTo) {
  const Graph g = fuse(zoo_graph(GetParam(), 32));
  const ExecutionPlan plan = plan_training(g, g.output("loss"), 2, DType::kF32);
  std::vector<bool> written(plan.tensors.size(), false);
  int backwards = 0;
  for (std::size_t i = plan.nodes.size(); i-- > 0;) {
    const NodePlan& n = plan.nodes[i];
    if (!n.runs_backward) continue;
    ++backwards;
    for (const SlotId dy : {n.dy, n.dy2}) {
      if (dy != kNoSlot) {
        EXPECT_TRUE(written[static_cast<std::size_t>(dy)]) << g.nodes()[i].name;
      }
    }
    for (std::size_t j = 0; j < n.dx.size(); ++j) {
      if (n.dx_mode[j] == GradMode::kSkip) continue;
      const auto dx = static_cast<std::size_t>(n.dx[j]);
      if (n.dx_mode[j] == GradMode::kAccumulate) {
        EXPECT_TRUE(written[dx]) << g.nodes()[i].name;
      }
      written[dx] = true;
    }
  }
  EXPECT_GT(backwards, 3);
}

INSTANTIATE_TEST_SUITE_P(Zoo, ExecutionPlanOf,
                         ::testing::Values("small_cnn", "resnet20", "resnet50",
                                           "wrn-16-2:dropout=0.3", "mobilenet_v1", "mobilenet_v2",
                                           "densenet-bc-40-12", "squeezenet1_1"),
                         [](const auto& test) { return testing::test_name(test.param); });

TEST(ExecutionPlan, NamesTheFirstNodeThatCouplesTheRows) {
  const Graph batch = zoo_graph("resnet8", 16), group = zoo_graph("resnet8", 16, Norm::kGroup);
  const ExecutionPlan coupled = plan_training(batch, batch.output("loss"), 4, DType::kF32);
  EXPECT_FALSE(coupled.row_separable);
  EXPECT_EQ(coupled.first_inseparable, "layer3.0.bn2");  // backward meets it first
  EXPECT_TRUE(plan_training(group, group.output("loss"), 4, DType::kF32).row_separable);
}

TEST(ExecutionPlan, FrozenBatchNormDoesNotCoupleTheRows) {
  Graph g = zoo_graph("resnet8", 16);
  g.freeze(g.find("avgpool"));
  EXPECT_TRUE(plan_training(g, g.output("loss"), 4, DType::kF32).row_separable);
}

TEST(ExecutionPlan, RefusesToTrainWhatIsWhollyFrozen) {
  Graph g = zoo_graph("small_cnn", 16);
  g.freeze(g.output("logits"));
  EXPECT_THROW((void)plan_training(g, g.output("loss"), 4, DType::kF32), Error);
}

TEST(ExecutionPlan, AFrozenStemSavesNothingForBackward) {
  Graph g = zoo_graph("resnet20", 32);
  const auto whole = plan_training(g, g.output("loss"), 16, DType::kF32).memory.bytes;
  g.freeze(g.find("layer2.2.act"));
  const auto tail = plan_training(g, g.output("loss"), 16, DType::kF32).memory.bytes;
  EXPECT_LT(tail, whole / 2);
}

}  // namespace
}  // namespace graft
