// SPDX-License-Identifier: Apache-2.0
// What inference takes from memory: planned once, never more.
#include <gtest/gtest.h>

#include "runtime/model/quantize.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft {
namespace {

using testing::drawn_model;
using testing::test_image;

class MemoryOf : public ::testing::TestWithParam<bool> {};

TEST_P(MemoryOf, InferenceIsFlatAfterTheFirstRun) {
  const bool int8 = GetParam();
  StatsResource memory(host_memory());
  Context ctx(Backend::kCpu, 1, memory);
  Model model = drawn_model(ctx, "mobilenet_v2:width=0.25", 64, 10);
  if (int8) model = quantize_for_timing(ctx, model);
  const ImageU8 image = test_image();
  (void)model.run(std::span(&image, 1));
  const auto allocations = memory.allocations(), in_use = memory.bytes_in_use();
  const auto peak = memory.peak_bytes();
  for (int i = 0; i < 200; ++i) (void)model.run(std::span(&image, 1));
  EXPECT_EQ(memory.allocations(), allocations);
  EXPECT_EQ(memory.bytes_in_use(), in_use);
  EXPECT_EQ(memory.peak_bytes(), peak);
}

INSTANTIATE_TEST_SUITE_P(Form, MemoryOf, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "int8" : "f32"; });

TEST(Memory, ThePeakIsWhatWasPlanned) {
  StatsResource memory(host_memory());
  Context ctx(Backend::kCpu, 1, memory);
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  const std::vector<ImageU8> images = {test_image(1), test_image(2)};
  (void)model.run(images);
  const ExecutionPlan& plan = model.executor().forward_plan();
  EXPECT_EQ(model.executor().arena_bytes(), plan.memory.bytes);
  // Beside the plan, the kernels keep weights in their own order (36 for 9 in Winograd's form) and
  // one workspace; nothing else was ever alive.
  const auto planned = static_cast<std::int64_t>(model.planned_bytes());
  const auto kernels = memory.bytes_in_use() - planned;
  EXPECT_EQ(memory.peak_bytes(), planned + kernels);
  EXPECT_GE(kernels, static_cast<std::int64_t>(ctx.workspace().bytes()));
  EXPECT_LE(kernels - static_cast<std::int64_t>(ctx.workspace().bytes()),
            4 * static_cast<std::int64_t>(model.inference_net().params().bytes()));
}

TEST(Memory, ALargerBatchReplacesThePlan) {
  StatsResource memory(host_memory());
  Context ctx(Backend::kCpu, 1, memory);
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  const Tensor x = Tensor::zeros(host_memory(), {16, 32, 32, 3});
  (void)model.run(x.rows(0, 1));
  const std::size_t one = model.planned_bytes();
  (void)model.run(x);
  const std::size_t sixteen = model.planned_bytes();
  EXPECT_GT(sixteen, one);
  const auto in_use = memory.bytes_in_use();
  (void)model.run(x.rows(0, 3));
  (void)model.run(x);
  EXPECT_EQ(model.planned_bytes(), sixteen);
  EXPECT_EQ(memory.bytes_in_use(), in_use);
}

}  // namespace
}  // namespace graft
