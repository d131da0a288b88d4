// SPDX-License-Identifier: Apache-2.0
// What inference takes from memory: planned once, never more.
#include <fstream>
#include <optional>

#include <gtest/gtest.h>
#include <unistd.h>

#include "kernels/api/backend_info.h"
#include "runtime/model/bf16.h"
#include "runtime/model/quantize.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft {
namespace {

using testing::drawn_model;
using testing::test_image;

class MemoryOf : public ::testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (const char* why = kernels::why_not_fast(GetParam())) GTEST_SKIP() << why;
  }
  /// `model` in the arithmetic of the test, or none for f32.
  static std::optional<Model> reduced(Context& ctx, Model& model) {
    std::optional<Model> out;
    if (GetParam() == DType::kI8) out.emplace(quantize_for_timing(ctx, model));
    if (GetParam() == DType::kBF16) out.emplace(make_bf16(ctx, model));
    return out;
  }
};

TEST_P(MemoryOf, InferenceIsFlatAfterTheFirstRun) {
  StatsResource memory(host_memory());
  Context ctx(Backend::kCpu, 1, memory);
  Model floating = drawn_model(ctx, "mobilenet_v2:width=0.25", 64, 10);
  std::optional<Model> low = reduced(ctx, floating);
  Model& model = low ? *low : floating;
  const ImageU8 image = test_image();
  (void)model.run(std::span(&image, 1));
  const auto allocations = memory.allocations(), in_use = memory.bytes_in_use();
  const auto peak = memory.peak_bytes();
  for (int i = 0; i < 200; ++i) (void)model.run(std::span(&image, 1));
  EXPECT_EQ(memory.allocations(), allocations);
  EXPECT_EQ(memory.bytes_in_use(), in_use);
  EXPECT_EQ(memory.peak_bytes(), peak);
}

TEST_P(MemoryOf, ThePeakIsWhatWasPlanned) {
  StatsResource memory(host_memory());
  Context ctx(Backend::kCpu, 1, memory);
  Model floating = drawn_model(ctx, "resnet18", 64, 10);
  std::optional<Model> low = reduced(ctx, floating);
  const auto before = memory.bytes_in_use();
  const std::size_t kept_before = kernels::kept_bytes(ctx);
  Model& model = low ? *low : floating;
  const std::size_t own = model.params().bytes();
  const std::vector<ImageU8> images = {test_image(1), test_image(2)};
  (void)model.run(images);
  const ExecutionPlan& plan = model.executor().forward_plan();
  EXPECT_EQ(model.executor().arena_bytes(), plan.memory.bytes);
  const auto planned = static_cast<std::int64_t>(model.planned_bytes() - own - kept_before);
  EXPECT_EQ(memory.bytes_in_use() - before, planned);
  if (GetParam() != DType::kI8) {  // calibration needs more
    EXPECT_EQ(memory.peak_bytes(), memory.bytes_in_use());
  }
  EXPECT_GT(kernels::kept_bytes(ctx), kept_before + ctx.workspace().bytes());
}

INSTANTIATE_TEST_SUITE_P(Form, MemoryOf, ::testing::Values(DType::kF32, DType::kBF16, DType::kI8),
                         [](const auto& test) { return std::string(arithmetic_name(test.param)); });

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// Beside the plan there are oneDNN's generated code and descriptors, the graph, and what the
// allocator rounds up: about 13 MiB here, 30 where every large block gets whole huge pages.
TEST(Memory, TheProcessGrowsByWhatWasPlanned) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep memory of their own";
#endif
  constexpr std::int64_t kOther = 40 << 20;
  const std::int64_t before = resident_bytes();
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, "resnet18", 224, 1000);
  const ImageU8 image = test_image();
  for (int i = 0; i < 2; ++i) (void)model.run(std::span(&image, 1));
  const std::int64_t grown = resident_bytes() - before;
  const auto planned = static_cast<std::int64_t>(model.planned_bytes());
  EXPECT_GT(planned, 100 << 20);
  EXPECT_LE(grown, planned + kOther);
  EXPECT_GE(grown, planned - kOther);  // what is planned is used
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
