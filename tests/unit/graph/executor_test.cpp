// SPDX-License-Identifier: Apache-2.0
#include "graph/exec/executor.h"

#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/device/cuda_device.h"
#include "graph/plan/fuse.h"
#include "layers/optim/optimizer.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using testing::difference;
using ::testing::HasSubstr;
using testing::Net;
using testing::same_bits;
using testing::zoo_graph;

template <class F>
std::string refusal(F&& call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kInvalidArgument);
    return e.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

TEST(Executor, RefusesBackwardWithoutATrainingForward) {
  Net net(zoo_graph("small_cnn", 8));
  EXPECT_THAT(refusal([&] { net.backward(); }), HasSubstr("training forward first"));
  net.forward(Phase::kTrain);
  net.forward(Phase::kEval);  // shares the arena: what backward needs is gone
  EXPECT_THAT(refusal([&] { net.backward(); }), HasSubstr("training forward first"));
}

TEST(Executor, RefusesToTrainWhenMadeForInference) {
  Net net(zoo_graph("small_cnn", 8), {.training = false});
  EXPECT_THAT(refusal([&] { net.forward(Phase::kTrain); }), HasSubstr("inference only"));
  EXPECT_THAT(refusal([&] { (void)net.executor.training_plan(); }), HasSubstr("inference only"));
}

/// Message of the Error(kOutOfMemory) of a small_cnn with at most `limit` bytes.
std::string starved(std::size_t limit, std::int64_t batch) {
  LimitResource memory(host_memory(), limit);
  try {
    Net net(zoo_graph("small_cnn", 8), {.batch = batch, .memory = &memory});
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kOutOfMemory);
    return e.what();
  }
  ADD_FAILURE() << "it fits";
  return {};
}

TEST(Executor, SaysWhichBatchFitsIfActivationsDoNot) {
  Net net(zoo_graph("small_cnn", 8), {.batch = 16});
  const std::size_t arena = net.executor.arena_bytes(), weights = net.params.bytes();
  const std::string some = starved(weights + arena / 3, 16);
  EXPECT_THAT(some, HasSubstr("activations of a batch of 16 take " + std::to_string(arena)));
  EXPECT_THAT(some, HasSubstr("for layer "));
  EXPECT_THAT(some, HasSubstr("a batch of 4 fits"));
  EXPECT_THAT(starved(weights + 64, 16), HasSubstr("not even a batch of 1"));
}

/// Host memory, until it is told to be full.
class Filling final : public MemoryResource {
 public:
  bool full = false;
  void* allocate(std::size_t bytes) override {
    if (full) fail(Errc::kOutOfMemory, "full");
    return host_memory().allocate(bytes);
  }
  void deallocate(void* data, std::size_t bytes) noexcept override {
    host_memory().deallocate(data, bytes);
  }
};

TEST(Executor, NamesTheLayerThatFindsNoMemory) {
  if (probe_cuda().built) GTEST_SKIP() << "the kernels of CUDA are compiled for the device";
  Filling memory;
  Net net(zoo_graph("small_cnn", 8),
          {.backend = Backend::kCuda, .dtype = DType::kF32, .memory = &memory});
  memory.full = true;  // the first kernel that needs scratch memory is a norm's
  try {
    net.forward(Phase::kTrain);
    ADD_FAILURE() << "no scratch memory was asked for";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kOutOfMemory);
    EXPECT_THAT(e.what(), ::testing::MatchesRegex("layer [a-z0-9_.]+, forward: full"));
  }
}

TEST(Executor, RefusesInputsThatDoNotFit) {
  Net net(zoo_graph("small_cnn", 8), {.batch = 2});
  const auto bind = [&](const Tensor& t) {
    return refusal([&] { net.executor.bind(net.executor.graph().find("image"), t); });
  };
  EXPECT_THAT(bind(testing::normal({2, 9, 8, 3}, 1)), HasSubstr("(2, 9, 8, 3)"));
  EXPECT_THAT(bind(testing::normal({3, 8, 8, 3}, 1)), HasSubstr("exceeds the planned 2"));
  EXPECT_THAT(bind(Tensor::zeros(host_memory(), {2, 8, 8, 3}, DType::kF32)), HasSubstr("f64"));
  EXPECT_THAT(refusal([&] { net.executor.bind(net.executor.graph().find("fc"), net.image); }),
              HasSubstr("fc is not an input"));
}

TEST(Executor, RefusesInputsOfDifferentLengthOrNone) {
  Net net(zoo_graph("small_cnn", 8), {.batch = 3});
  net.executor.bind(net.executor.graph().find("label"), net.label.rows(0, 2));
  EXPECT_THAT(refusal([&] { net.forward(Phase::kEval); }), HasSubstr("3 and 2 rows"));
  Context ctx(Backend::kRef);
  Executor bare(ctx, zoo_graph("small_cnn", 8), net.params, {.dtype = DType::kF64});
  EXPECT_THAT(refusal([&] { bare.forward(Phase::kEval); }), HasSubstr("image is not bound"));
}

TEST(Executor, RefusesWeightsOfAnotherLength) {
  Net net(zoo_graph("small_cnn", 8), {.batch = 3});
  net.forward(Phase::kTrain);
  EXPECT_THAT(refusal([&] { net.executor.backward(net.weight.rows(0, 2)); }),
              HasSubstr("one weight an example"));
}

TEST(Executor, RefusesAStoreThatLacksAParameter) {
  Net net(zoo_graph("small_cnn", 8));
  EXPECT_THAT(refusal([&] {
                Executor e(net.ctx, zoo_graph("resnet8", 8), net.params, {.dtype = DType::kF64});
              }),
              HasSubstr("lacks layer1.0.conv1.weight"));
}

TEST(Executor, SaysWhichExamplesWereRight) {
  Net net(zoo_graph("small_cnn", 8));
  net.forward(Phase::kEval);
  const Tensor correct = net.executor.saved(net.executor.graph().output("loss"), "correct");
  const Tensor logits = net.output("logits");
  for (std::int64_t n = 0; n < 4; ++n) {
    const double* row = logits.ptr<double>() + n * 5;
    const auto best = std::max_element(row, row + 5) - row;
    EXPECT_EQ(correct.ptr<std::uint8_t>()[n], best == net.label.ptr<std::int32_t>()[n] ? 1 : 0);
  }
  EXPECT_THROW((void)net.executor.saved(net.executor.graph().output("loss"), "mask"), Error);
}

TEST(Executor, PartialBatchesGiveTheRowsOfTheWhole) {
  Net net(fuse(zoo_graph("resnet8", 8)));
  net.forward(Phase::kEval);
  const Tensor whole = net.output("logits");
  for (const auto& [begin, count] : {std::pair{0, 1}, {0, 3}, {1, 2}, {3, 1}, {0, 4}}) {
    net.bind_rows(begin, count);
    net.forward(Phase::kEval);
    EXPECT_TRUE(same_bits(net.output("logits"), whole.rows(begin, count))) << begin << "+" << count;
  }
}

TEST(Executor, PartsOfABatchAddUpToItsGradient) {
  // Rows do not see one another: group norm; dropout is keyed by the example.
  for (const char* model : {"resnet8", "wrn-10-1:dropout=0.4"}) {
    Net net(fuse(zoo_graph(model, 8, Norm::kGroup)));
    net.forward(Phase::kTrain);
    net.backward();
    const Tensor whole = net.params.grads().clone(host_memory());
    net.bind_rows(0, 1);
    net.forward(Phase::kTrain);
    net.backward();
    net.bind_rows(1, 3);
    net.forward(Phase::kTrain);
    net.backward(GradMode::kAccumulate);
    EXPECT_LE(difference(net.params.grads(), whole), 1e-12) << model;
  }
}

TEST(Executor, WeightZeroRemovesAnExampleWhereRowsAreIndependent) {
  Net net(fuse(zoo_graph("resnet8", 8, Norm::kGroup)));
  for (const std::int64_t n : {1, 2}) net.weight.ptr<double>()[n] = 0;
  net.forward(Phase::kTrain);
  net.backward();
  const Tensor masked = net.params.grads().clone(host_memory());
  net.bind_rows(0, 1);
  net.forward(Phase::kTrain);
  net.backward();
  net.bind_rows(3, 1);
  net.forward(Phase::kTrain);
  net.backward(GradMode::kAccumulate);
  EXPECT_LE(difference(net.params.grads(), masked), 1e-12);
}

class ExecutorOn : public ::testing::TestWithParam<Backend> {};

TEST_P(ExecutorOn, WarmStepsAllocateNothing) {
  StatsResource stats(host_memory());
  for (const char* model : {"resnet8", "wrn-10-1:dropout=0.3", "mobilenet_v2:width=0.25",
                            "densenet-bc-10-4", "small_cnn"}) {
    Net net(fuse(zoo_graph(model, 8)),
            {.backend = GetParam(), .dtype = DType::kF32, .memory = &stats});
    net.executor.set_policy("sampler", [](std::span<const float>) {
      return RowSelection{{0, 2}, {1, 1}};
    });
    Optimizer optimizer(net.ctx, {}, net.params);
    std::int64_t step = 0;
    const auto run = [&](std::int64_t rows) {
      net.bind_rows(0, rows);
      net.forward(Phase::kSelect);
      net.forward(Phase::kTrain);
      net.backward();
      optimizer.step(net.ctx, 0.01, ++step);
      net.ctx.synchronize();
    };
    run(4), run(4), run(3), run(3);
    const std::int64_t before = stats.allocations();
    run(4), run(3);
    EXPECT_EQ(stats.allocations(), before) << model;
  }
}

TEST_P(ExecutorOn, RepeatsBitForBit) {
  const Graph g = fuse(zoo_graph("wrn-10-1:dropout=0.3", 16));
  Net a(g, {.backend = GetParam(), .dtype = DType::kF32});
  Net b(g, {.backend = GetParam(), .dtype = DType::kF32});
  for (Net* net : {&a, &b}) {
    net->forward(Phase::kTrain);
    net->backward();
  }
  EXPECT_TRUE(same_bits(a.params.grads(), b.params.grads()));
  EXPECT_TRUE(same_bits(a.params.buffers(), b.params.buffers()));
}

TEST_P(ExecutorOn, WritesOnlyWhereItMay) {
  GuardResource guard(host_memory());
  {
    Net net(fuse(zoo_graph("resnet8", 16)),
            {.backend = GetParam(), .dtype = DType::kF32, .memory = &guard});
    net.forward(Phase::kSelect);
    net.forward(Phase::kTrain);
    net.backward();
  }
  EXPECT_TRUE(guard.intact());
}

TEST_P(ExecutorOn, AgreesWithTheF64Reference) {
  for (const char* model : {"resnet8", "wrn-10-1:dropout=0.3", "densenet-bc-10-4"}) {
    const Graph g = fuse(zoo_graph(model, 16));
    Net want(g), got(g, {.backend = GetParam(), .threads = 2, .dtype = DType::kF32});
    for (Net* net : {&want, &got}) {
      net->forward(Phase::kTrain);
      net->backward();
    }
    EXPECT_LE(difference(got.output("logits"), want.output("logits")), 1e-4) << model;
    EXPECT_LE(difference(got.params.grads(), want.params.grads()), 1e-4) << model;
    EXPECT_LE(difference(got.params.buffers(), want.params.buffers()), 1e-5) << model;
  }
}

// Activations in bf16, parameters and losses in f32: as near as eight bits of mantissa bring it.
TEST(Executor, TrainsInBf16NearTheF64Reference) {
  if (probe_cuda().built) GTEST_SKIP() << "the kernels of CUDA are compiled for the device";
  for (const char* model : {"resnet8", "densenet-bc-10-4"}) {
    const Graph g = fuse(zoo_graph(model, 16));
    Net want(g), got(g, {.backend = Backend::kCuda, .dtype = DType::kBF16});
    for (Net* net : {&want, &got}) {
      net->forward(Phase::kTrain);
      net->backward();
    }
    EXPECT_EQ(got.output("loss").dtype(), DType::kF32);
    EXPECT_EQ(got.output("logits").dtype(), DType::kBF16);
    EXPECT_LE(difference(got.output("logits"), want.output("logits")), 0.1) << model;
    EXPECT_LE(difference(got.output("loss"), want.output("loss")), 0.1) << model;
    EXPECT_LE(difference(got.params.grads(), want.params.grads()), 0.2) << model;
  }
}

/// Those whose kernels run here: of CUDA only in a build without it.
std::vector<Backend> host_backends() {
  std::vector<Backend> backends = {Backend::kRef, Backend::kCpu};
  if (!probe_cuda().built) backends.push_back(Backend::kCuda);
  return backends;
}

INSTANTIATE_TEST_SUITE_P(Host, ExecutorOn, ::testing::ValuesIn(host_backends()),
                         [](const auto& test) { return std::string(name(test.param)); });

// A20 of the selection tests: what a selection pass may not touch.
TEST(Executor, SelectionForwardLeavesRunningStatisticsBitwiseUnchanged) {
  for (const Backend backend : {Backend::kRef, Backend::kCpu}) {
    Net net(fuse(zoo_graph("resnet8", 8)), {.backend = backend, .dtype = DType::kF32});
    const Tensor before = net.params.buffers().clone(host_memory());
    net.forward(Phase::kSelect);
    net.forward(Phase::kEval);
    EXPECT_TRUE(same_bits(net.params.buffers(), before));
  }
}

TEST(Executor, TrainingForwardMovesRunningStatisticsExactlyOnce) {
  const Graph g = fuse(zoo_graph("resnet8", 8));
  Net net(g);
  const Tensor start = net.value("bn1.running_mean").clone(host_memory());
  net.forward(Phase::kTrain);
  net.backward();  // moves nothing
  const Tensor after = net.value("bn1.running_mean").clone(host_memory());
  net.forward(Phase::kTrain);
  const Tensor twice = net.value("bn1.running_mean");
  for (std::int64_t c = 0; c < start.numel(); ++c) {
    // running = 0.9 running + 0.1 batch, with the same batch both times.
    const double first = after.ptr<double>()[c] - start.ptr<double>()[c];
    EXPECT_NE(first, 0);
    EXPECT_NEAR(twice.ptr<double>()[c] - after.ptr<double>()[c], 0.9 * first, 1e-12);
  }
}

TEST(Executor, DropoutFollowsTheExampleNotItsPlaceInTheBatch) {
  const Graph g = zoo_graph("wrn-10-1:dropout=0.5", 8, Norm::kGroup);
  Net net(g);
  net.forward(Phase::kTrain);
  const Tensor logits = net.output("logits");
  net.bind_rows(2, 2);
  net.forward(Phase::kTrain);
  EXPECT_TRUE(same_bits(net.output("logits"), logits.rows(2, 2)));
  net.epochs.assign(4, 9);
  net.forward(Phase::kTrain);
  EXPECT_FALSE(same_bits(net.output("logits"), logits.rows(2, 2)));
}

TEST(Executor, ObserverSeesEveryLayerOfEachDirectionOnce) {
  Net net(fuse(zoo_graph("resnet8", 8)));
  std::multiset<ValueId> forward, backward;
  net.executor.set_observer([&](ValueId node, bool back, double seconds) {
    (back ? backward : forward).insert(node);
    EXPECT_GE(seconds, 0);
  });
  net.forward(Phase::kTrain);
  net.backward();
  const Graph& g = net.executor.graph();
  for (ValueId id = 0; id < static_cast<ValueId>(g.nodes().size()); ++id) {
    const std::size_t once = g.node(id).kind == NodeKind::kLayer ? 1 : 0;
    EXPECT_EQ(forward.count(id), once);
    EXPECT_EQ(backward.count(id), once);
  }
}

}  // namespace
}  // namespace graft
