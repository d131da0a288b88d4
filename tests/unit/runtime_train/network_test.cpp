// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/network.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"
#include "tests/support/tensors.h"
#include "tests/unit/runtime_train/small_run.h"

namespace graft::train {
namespace {

using testing::bytes_of;
using testing::fails_with;
using testing::small_network;

constexpr std::int64_t kBatch = 8;

/// Random images with labels; example i has the id 100 + i.
struct Examples {
  Tensor x =
      testing::converted(testing::normal({kBatch, 32, 32, 3}, 7), DType::kF32, host_memory());
  Tensor y = testing::labels(kBatch, 10, 8);
  std::vector<std::int64_t> ids;
  std::vector<std::uint32_t> epochs = std::vector<std::uint32_t>(kBatch, 0);
  std::vector<float> weights = std::vector<float>(kBatch, 1.0F / kBatch);
  std::vector<float> losses = std::vector<float>(kBatch);

  Examples() {
    for (std::int64_t i = 0; i < kBatch; ++i) ids.push_back(100 + i);
  }
  void set_pixel(std::int64_t row, float value) { x.rows(row, 1).ptr<float>()[5] = value; }
  Network::StepResult step(Network& net, double lr, std::int64_t number) {
    TimeSplit time;
    return net.step({x, y, ids, epochs}, weights, lr, number, {.losses = losses}, time);
  }
};

std::string trained_state(Network& net) {
  std::string bytes = bytes_of(net.params().values());
  for (const auto& state : net.optimizer().state()) bytes += bytes_of(state.block);
  return bytes;
}

TEST(Network, NanInTheInputIsCaughtBeforeTheUpdate) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Context ctx(Backend::kCpu);
    const auto net = small_network(ctx, "small_cnn", 1);
    Examples examples;
    examples.step(*net, 0.1, 1);
    const std::string before = trained_state(*net);
    examples.set_pixel(3, bad);
    // Batch norm carries it to every example of the batch: all are counted, the first are named.
    EXPECT_TRUE(fails_with(Errc::kNumerical, {"non-finite loss before update 2", "103 ("},
                           [&] { examples.step(*net, 0.1, 2); }));
    EXPECT_TRUE(trained_state(*net) == before);
  }
}

TEST(Network, NanInTheInputSpoilsOnlyItsOwnScore) {
  Context ctx(Backend::kCpu);
  const auto net = small_network(ctx, "small_cnn", 1);
  Examples examples;
  examples.set_pixel(3, std::numeric_limits<float>::quiet_NaN());
  net->score({examples.x, examples.y, examples.ids, examples.epochs}, Phase::kSelect,
             {.losses = examples.losses});
  for (std::size_t i = 0; i < examples.losses.size(); ++i) {
    EXPECT_EQ(std::isfinite(examples.losses[i]), i != 3) << i;  // evaluation mode: one row each
  }
}

TEST(Network, ExplodingRateIsCaughtAndTheWeightsStay) {
  Context ctx(Backend::kCpu);
  const auto net = small_network(ctx, "small_cnn", 1);
  Examples examples;
  std::string before;
  const auto diverge = [&] {
    for (int step = 1; step < 10; ++step) {
      before = trained_state(*net);
      examples.step(*net, 1e30, step);
    }
  };
  EXPECT_TRUE(fails_with(Errc::kNumerical, {"non-finite", "before update", "--lr"}, diverge));
  EXPECT_TRUE(trained_state(*net) == before);
}

TEST(Network, NonFiniteGradientNamesItsParameter) {
  Context ctx(Backend::kCpu);
  const auto net = small_network(ctx, "small_cnn", 1);
  Examples examples;
  examples.step(*net, 0.1, 1);
  const std::string before = trained_state(*net);
  examples.weights[0] = std::numeric_limits<float>::infinity();  // the losses stay finite
  EXPECT_TRUE(fails_with(Errc::kNumerical, {"non-finite gradient before update 2", ".weight"},
                         [&] { examples.step(*net, 0.1, 2); }));
  EXPECT_TRUE(trained_state(*net) == before);
}

TEST(Network, ScoresTheSameLossesWhateverTheBatch) {
  Context ctx(Backend::kCpu);
  const auto net = small_network(ctx, "resnet8", 1);
  Examples examples;
  net->score({examples.x, examples.y, examples.ids, examples.epochs}, Phase::kEval,
             {.losses = examples.losses});
  for (std::int64_t i = 0; i < kBatch; ++i) {
    const auto at = static_cast<std::size_t>(i);
    std::vector<float> loss(1);
    std::vector<std::uint8_t> correct(1, 2);
    net->score({examples.x.rows(i, 1), examples.y.rows(i, 1),
                std::span(examples.ids).subspan(at, 1), std::span(examples.epochs).subspan(at, 1)},
               Phase::kEval, {.losses = loss, .correct = correct});
    EXPECT_NEAR(loss[0], examples.losses[at], 1e-4 * std::abs(examples.losses[at]));
    EXPECT_LE(correct[0], 1);
  }
}

}  // namespace
}  // namespace graft::train
