// SPDX-License-Identifier: Apache-2.0
// Every layer as the executor sees it: plan, forward and backward, in f64 against finite
// differences.
#include "layers/core/layer.h"

#include <functional>

#include <gtest/gtest.h>

#include "kernels/api/pointwise.h"
#include "layers/loss/cross_entropy.h"
#include "layers/nn/conv2d.h"
#include "layers/nn/linear.h"
#include "layers/nn/norm.h"
#include "layers/nn/pointwise.h"
#include "layers/nn/pool.h"
#include "tests/support/gradcheck.h"
#include "tests/support/tensors.h"

namespace graft {
namespace {

using testing::Tensors;

constexpr std::int64_t kRows = 3;

struct LayerCase {
  std::string id;
  std::function<LayerPtr()> make;
  std::vector<Shape> x;
  std::size_t labels = 0;  ///< trailing inputs that are labels, not differentiated
};

void PrintTo(const LayerCase& c, std::ostream* out) { *out << c.id; }

/// Values from -7 to 7, none equal, none nor any sum of two inputs on a kink of ReLU6.
Tensor spread(const Shape& shape, std::size_t input) {
  Tensor t = testing::distinct(shape, 40 + input);
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    t.ptr<double>()[i] = 4 * t.ptr<double>()[i] + 0.013 * static_cast<double>(input + 1);
  }
  return t;
}

/// One layer with its parameters and saved tensors.
class Bench {
 public:
  explicit Bench(const LayerCase& c) : layer(c.make()), plan(layer->plan(c.x)) {
    for (std::size_t i = 0; i < c.x.size(); ++i) {
      const bool label = i + c.labels >= c.x.size();
      x.push_back(label ? testing::labels(c.x[i][0], 5, 40 + i) : spread(c.x[i], i));
    }
    differentiable = x.size() - c.labels;
    for (const ParamSpec& p : layer->params()) {
      const double centre = p.name == "weight" && p.shape.rank() == 1 ? 1 : 0;
      params.push_back(p.name == "running_var"
                           ? testing::uniform(p.shape, 60, 0.5, 2)
                           : testing::normal(p.shape, 60 + params.size(), 0.3, centre));
      const bool trains = p.kind == ParamKind::kTrainable;
      dparams.push_back(trains ? testing::full(p.shape, 0) : Tensor());
    }
    for (const SavedSpec& s : plan.saved) {
      saved.push_back(
          Tensor::zeros(host_memory(), s.shape, s.dtype == DType::kF32 ? DType::kF64 : s.dtype));
    }
  }

  Tensor forward(Phase phase, bool frozen = false) {
    Tensor y = Tensor::allocate(host_memory(), plan.y, DType::kF64);
    testing::poison(y);
    layer->forward({.ctx = ctx,
                    .phase = phase,
                    .frozen = frozen,
                    .x = x,
                    .params = params,
                    .param_version = ++version,
                    .saved = saved,
                    .rows = rows,
                    .ordinal = 2,
                    .y = y});
    return y;
  }

  /// Gradients of inputs, then of trainable parameters.
  Tensors backward(const Tensor& y, const Tensor& dy, GradMode mode = GradMode::kOverwrite,
                   double start = 0) {
    Tensors dx;
    std::vector<GradMode> modes;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool wanted = i < differentiable;
      dx.push_back(wanted ? testing::full(x[i].shape(), start) : Tensor());
      modes.push_back(wanted ? mode : GradMode::kSkip);
    }
    for (Tensor& d : dparams) {
      if (!d.empty()) d = testing::full(d.shape(), start);
    }
    const Tensor none;
    layer->backward({.ctx = ctx,
                     .frozen = false,
                     .x = x,
                     .y = y,
                     .params = params,
                     .param_version = version,
                     .saved = saved,
                     .rows = rows,
                     .ordinal = 2,
                     .dy = dy,
                     .dy2 = none,
                     .dx_mode = modes,
                     .dx = dx,
                     .param_mode = mode,
                     .dparams = dparams});
    Tensors out(dx.begin(), dx.begin() + static_cast<std::ptrdiff_t>(differentiable));
    for (const Tensor& d : dparams) {
      if (!d.empty()) out.push_back(d);
    }
    return out;
  }

  /// Values of everything that backward() differentiates, in its order.
  Tensors differentiated() const {
    Tensors out(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(differentiable));
    for (std::size_t i = 0; i < params.size(); ++i) {
      if (!dparams[i].empty()) out.push_back(params[i]);
    }
    return out;
  }
  void set(const Tensors& values) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < differentiable; ++i) x[i] = values[at++];
    for (std::size_t i = 0; i < params.size(); ++i) {
      if (!dparams[i].empty()) params[i] = values[at++];
    }
  }

  Context ctx{Backend::kRef};
  LayerPtr layer;
  LayerPlan plan;
  Tensors x, params, dparams, saved;
  std::size_t differentiable = 0;
  std::vector<std::int64_t> example = {11, 5, 900};
  std::vector<std::uint32_t> epoch = {1, 1, 2};
  RowIds rows{.seed = 3, .example = example, .epoch = epoch};
  std::uint64_t version = 0;
};

template <class T, class... Args>
std::function<LayerPtr()> make(Args... args) {
  return [=] { return std::make_shared<T>(args...); };
}

const Shape kImage = {kRows, 4, 5, 4};

std::vector<LayerCase> cases() {
  using kernels::BatchNormOptions, kernels::GroupNormOptions, kernels::PoolOptions;
  const auto relu = Activation::kRelu;
  const auto relu6 = Activation::kRelu6;
  return {
      {"conv",
       make<Conv2d>(Conv2dOptions{.in_channels = 4, .out_channels = 6, .pad = 1}),
       {kImage}},
      {"conv_bias_stride2",
       make<Conv2d>(
           Conv2dOptions{.in_channels = 4, .out_channels = 3, .stride = 2, .pad = 1, .bias = true}),
       {kImage}},
      {"conv_depthwise",
       make<Conv2d>(Conv2dOptions{.in_channels = 4, .out_channels = 4, .pad = 1, .groups = 4}),
       {kImage}},
      {"conv_keras_padding",
       make<Conv2d>(
           Conv2dOptions{.in_channels = 4, .out_channels = 2, .stride = 2, .pad = 0, .pad_end = 1}),
       {kImage}},
      {"linear", make<Linear>(6, 4, true), {{kRows, 6}}},
      {"linear_no_bias", make<Linear>(6, 4, false), {{kRows, 6}}},
      {"batch_norm", make<BatchNorm2d>(4, BatchNormOptions{}, false), {kImage}},
      {"batch_norm_relu",
       make<BatchNorm2d>(4, BatchNormOptions{.activation = relu}, false),
       {kImage}},
      {"batch_norm_residual_relu",
       make<BatchNorm2d>(4, BatchNormOptions{.activation = relu}, true),
       {kImage, kImage}},
      {"batch_norm_residual", make<BatchNorm2d>(4, BatchNormOptions{}, true), {kImage, kImage}},
      {"group_norm", make<GroupNorm>(4, GroupNormOptions{.groups = 2}, false), {kImage}},
      {"group_norm_residual_relu6",
       make<GroupNorm>(4, GroupNormOptions{.groups = 2, .activation = relu6}, true),
       {kImage, kImage}},
      {"relu", make<ActivationLayer>(relu), {kImage}},
      {"relu6", make<ActivationLayer>(relu6), {kImage}},
      {"add", make<Add>(Activation::kNone), {kImage, kImage}},
      {"add_relu", make<Add>(relu), {kImage, kImage}},
      {"concat", make<Concat>(), {kImage, {kRows, 4, 5, 2}, {kRows, 4, 5, 1}}},
      {"dropout", make<Dropout>(0.4), {kImage}},
      {"subsample_pad", make<SubsamplePad>(8, 2), {kImage}},
      {"max_pool", make<MaxPool2d>(PoolOptions{.window = 3, .stride = 2, .pad = 1}), {kImage}},
      {"max_pool_ceil",
       make<MaxPool2d>(PoolOptions{.window = 3, .stride = 2, .ceil_mode = true}),
       {kImage}},
      {"avg_pool", make<AvgPool2d>(PoolOptions{}), {kImage}},
      {"global_avg_pool", make<GlobalAvgPool>(), {kImage}},
      {"cross_entropy", make<CrossEntropy>(0.0), {{kRows, 5}, {kRows}}, 1},
      {"cross_entropy_smoothed", make<CrossEntropy>(0.1), {{kRows, 5}, {kRows}}, 1},
  };
}

class LayerOf : public ::testing::TestWithParam<LayerCase> {};

TEST_P(LayerOf, BackwardMatchesFiniteDifferences) {
  Bench b(GetParam());
  const auto forward = [&](const Tensors& values) {
    b.set(values);
    return Tensors{b.forward(Phase::kTrain)};
  };
  const auto backward = [&](const Tensors& values, const Tensors& u) {
    b.set(values);
    const Tensor y = b.forward(Phase::kTrain);
    return b.backward(y, u[0]);
  };
  EXPECT_LT(testing::vjp_gap(forward, backward, b.differentiated()), 1e-6);
}

TEST_P(LayerOf, AccumulateAddsToWhatIsThere) {
  Bench b(GetParam());
  const Tensor y = b.forward(Phase::kTrain);
  const Tensor dy = testing::normal(y.shape(), 77);
  const Tensors plain = b.backward(y, dy);
  const Tensors added = b.backward(y, dy, GradMode::kAccumulate, 10);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    for (std::int64_t j = 0; j < plain[i].numel(); ++j) {
      EXPECT_NEAR(added[i].ptr<double>()[j], plain[i].ptr<double>()[j] + 10, 1e-9);
    }
  }
}

TEST_P(LayerOf, PlanHoldsForEveryBatch) {
  const LayerPtr layer = GetParam().make();
  auto shapes = GetParam().x;
  const Shape three = layer->plan(shapes).y;
  EXPECT_EQ(three[0], kRows);
  for (Shape& s : shapes) s = s.with_batch(7);
  EXPECT_EQ(layer->plan(shapes).y, three.with_batch(7));
  EXPECT_FALSE(layer->kind().empty());
  EXPECT_EQ(layer->flops(shapes) * kRows, layer->flops(GetParam().x) * 7);
}

TEST_P(LayerOf, RowsAreIndependentIfThePlanSaysSo) {
  Bench b(GetParam());
  const Tensor y = b.forward(Phase::kTrain);
  if (!b.plan.row_separable) {
    EXPECT_EQ(b.layer->kind(), "BatchNorm2d");
    return;
  }
  Tensor dy = testing::full(y.shape(), 0);
  for (std::int64_t i = 0; i < y.shape().row_numel(); ++i) dy.ptr<double>()[i] = 1;  // row 0 only
  const Tensors dx = b.backward(y, dy);
  for (std::size_t i = 0; i < b.differentiable; ++i) {
    for (std::int64_t j = dx[i].shape().row_numel(); j < dx[i].numel(); ++j) {
      ASSERT_EQ(dx[i].ptr<double>()[j], 0);
    }
  }
}

TEST_P(LayerOf, RefusesAnotherNumberOfInputs) {
  auto shapes = GetParam().x;
  const LayerPtr layer = GetParam().make();
  EXPECT_THROW((void)layer->plan({}), Error);
  if (layer->kind() == "Concat") return;
  shapes.push_back(shapes[0]);
  shapes.push_back(shapes[0]);
  EXPECT_THROW((void)layer->plan(shapes), Error);
}

INSTANTIATE_TEST_SUITE_P(All, LayerOf, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.id; });

TEST(BatchNormLayer, TrainsOnTheBatchAndEvaluatesOnTheRunningStatistics) {
  Bench b({"bn", make<BatchNorm2d>(4, kernels::BatchNormOptions{}, false), {kImage}});
  const Tensor mean = b.params[2].clone(host_memory());
  const Tensor eval = b.forward(Phase::kEval);
  EXPECT_TRUE(testing::same_bits(b.forward(Phase::kSelect), eval));
  EXPECT_TRUE(testing::same_bits(b.forward(Phase::kTrain, /*frozen=*/true), eval));
  EXPECT_TRUE(testing::same_bits(b.params[2], mean));
  EXPECT_FALSE(testing::same_bits(b.forward(Phase::kTrain), eval));
  EXPECT_FALSE(testing::same_bits(b.params[2], mean));
}

TEST(DropoutLayer, ScalesWhatItKeepsAndIsAnIdentityElsewhere) {
  Bench b({"dropout", make<Dropout>(0.4), {kImage}});
  const Tensor y = b.forward(Phase::kTrain);
  int zeros = 0;
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const double v = y.ptr<double>()[i], x = b.x[0].ptr<double>()[i];
    zeros += v == 0 ? 1 : 0;
    if (v != 0) {
      EXPECT_NEAR(v, x / 0.6, 1e-12);
    }
  }
  EXPECT_GT(zeros, y.numel() / 4);
  EXPECT_LT(zeros, y.numel() / 2 + y.numel() / 10);
  EXPECT_TRUE(testing::same_bits(b.forward(Phase::kEval), b.x[0]));
  EXPECT_TRUE(testing::same_bits(b.forward(Phase::kTrain, /*frozen=*/true), b.x[0]));
}

TEST(CrossEntropyLayer, CountsTheFirstMaximumAsRight) {
  Bench b({"loss", make<CrossEntropy>(0.0), {{kRows, 5}, {kRows}}, 1});
  b.x[0] = testing::full({kRows, 5}, 0);
  for (int n = 0; n < kRows; ++n) b.x[1].ptr<std::int32_t>()[n] = n;
  b.forward(Phase::kEval);
  EXPECT_EQ(b.saved[0].ptr<std::uint8_t>()[0], 1);
  EXPECT_EQ(b.saved[0].ptr<std::uint8_t>()[1], 0);
}

TEST(LayerOptions, ThatMakeNoSenseAreRefused) {
  EXPECT_THROW(Conv2d({.in_channels = 4, .out_channels = 6, .groups = 4}), Error);
  EXPECT_THROW(Conv2d({.in_channels = 0, .out_channels = 6}), Error);
  EXPECT_THROW(GroupNorm(6, {.groups = 4}), Error);
  EXPECT_THROW(Dropout(1.0), Error);
  EXPECT_THROW(CrossEntropy(-0.1), Error);
  EXPECT_THROW(ActivationLayer(Activation::kNone), Error);
}

TEST(LayerFusion, HappensAtMostOnceEach) {
  const BatchNorm2d bn(4);
  const LayerPtr sum = bn.with_residual();
  ASSERT_NE(sum, nullptr);
  EXPECT_EQ(sum->with_residual(), nullptr);
  const LayerPtr act = sum->with_activation(Activation::kRelu);
  ASSERT_NE(act, nullptr);
  EXPECT_EQ(act->with_activation(Activation::kRelu), nullptr);
  EXPECT_EQ(bn.with_activation(Activation::kRelu)->with_residual(),
            nullptr);  // the sum comes first
  EXPECT_NE(act->attributes(), bn.attributes());
}

}  // namespace
}  // namespace graft
