// SPDX-License-Identifier: Apache-2.0
#include "graph/plan/inference.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "graph/exec/param_derivation.h"
#include "graph/plan/fuse.h"
#include "graph/plan/int8.h"
#include "layers/nn/conv2d.h"
#include "layers/nn/pointwise.h"
#include "layers/nn/pool.h"
#include "tests/support/fails_with.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using testing::count_of;
using testing::difference;
using testing::fails_with;
using testing::Net;
using testing::zoo_graph;

struct Case {
  const char* model;
  Norm norm;
  std::int64_t side;
};

class InferenceFormOf : public ::testing::TestWithParam<Case> {};

// A40: fold-BN selection loss = unfolded, here in f64, where only the order of operations differs.
TEST_P(InferenceFormOf, SameOutputsAsEvaluation) {
  const Graph training = fuse(zoo_graph(GetParam().model, GetParam().side, GetParam().norm));
  Net net(training);
  net.forward(Phase::kEval);
  const DerivedGraph derived = inference_form(training);
  Net folded(derived.graph, {.training = false});
  ParamDerivation(derived, net.params, folded.params).run(folded.ctx);
  folded.forward(Phase::kEval);
  EXPECT_LT(derived.graph.nodes().size(), training.nodes().size());
  EXPECT_LE(difference(folded.output("logits"), net.output("logits")), 1e-11);
  EXPECT_LE(difference(folded.output("loss"), net.output("loss")), 1e-11);
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, InferenceFormOf,
    ::testing::Values(Case{"resnet8", Norm::kBatch, 8}, Case{"resnet8", Norm::kGroup, 8},
                      Case{"resnet8:shortcut=B", Norm::kBatch, 8},
                      Case{"wrn-10-1:dropout=0.3", Norm::kBatch, 8},
                      Case{"wrn-10-1", Norm::kGroup, 8},
                      Case{"mobilenet_v2:width=0.25,dropout=0.2", Norm::kBatch, 8},
                      Case{"densenet-bc-10-4", Norm::kBatch, 8},
                      Case{"densenet-bc-10-4", Norm::kGroup, 8}, Case{"small_cnn", Norm::kBatch, 8},
                      Case{"squeezenet1_1", Norm::kBatch, 32}),
    [](const auto& test) { return testing::test_name(test.param.model, test.param.norm); });

TEST(InferenceForm, LeavesOnlyConvolutionsInAResNet) {
  const DerivedGraph d = inference_form(fuse(zoo_graph("resnet20", 32)));
  EXPECT_EQ(count_of(d.graph, "FusedConv2d"), 19u);
  for (const char* gone : {"BatchNorm2d", "ScaleShift", "Add", "Activation"}) {
    EXPECT_EQ(count_of(d.graph, gone), 0u) << gone;
  }
  EXPECT_EQ(d.graph.find("select"), kNoValue);
}

TEST(InferenceForm, KeepsANormThatNoConvolutionCanTake) {
  // Pre-activation: the first norm of each block reads the sum, which the shortcut reads too.
  const Graph g = inference_form(fuse(zoo_graph("wrn-16-1", 32))).graph;
  EXPECT_EQ(count_of(g, "ScaleShift"), 7u);
  EXPECT_EQ(count_of(g, "Add"), 0u);
  EXPECT_EQ(
      count_of(inference_form(fuse(zoo_graph("resnet8", 32, Norm::kGroup))).graph, "GroupNorm"),
      7u);
}

TEST(InferenceForm, WorksOnAnUnfusedGraphToo) {
  const Graph a = inference_form(zoo_graph("resnet8", 16)).graph;
  const Graph b = inference_form(fuse(zoo_graph("resnet8", 16))).graph;
  EXPECT_EQ(a.nodes().size(), b.nodes().size());
  EXPECT_EQ(count_of(a, "FusedConv2d"), 7u);
}

TEST(InferenceForm, WhatNoOutputNeedsIsGone) {
  Graph g = zoo_graph("resnet8", 16);
  const std::size_t nodes = inference_form(g).graph.nodes().size();
  const ValueId conv = g.find("layer1.0.conv1");
  g.add("dead.pool", std::make_shared<GlobalAvgPool>(), {conv});
  g.input("unread", {1, 4});
  const Graph form = inference_form(g).graph;
  EXPECT_EQ(form.find("dead.pool"), kNoValue);
  EXPECT_NE(form.find("unread"), kNoValue);  // callers bind it
  EXPECT_EQ(form.nodes().size(), nodes + 1);
}

TEST(InferenceForm, HasNoBackward) {
  const DerivedGraph d = inference_form(zoo_graph("resnet8", 8));
  const LayerPtr conv = d.graph.node(d.graph.find("conv1")).layer;
  Context ctx(Backend::kRef);
  const Tensor none;
  EXPECT_TRUE(fails_with(Errc::kUnsupported, {"FusedConv2d", "no backward"}, [&] {
    conv->backward({.ctx = ctx,
                    .frozen = false,
                    .x = {},
                    .y = none,
                    .params = {},
                    .param_version = 0,
                    .saved = {},
                    .rows = {},
                    .ordinal = 0,
                    .dy = none,
                    .dy2 = none,
                    .dx_mode = {},
                    .dx = {},
                    .param_mode = GradMode::kSkip,
                    .dparams = {}});
  }));
}

TEST(WithInputShape, GivesTheSameNetworkOnSmallerImages) {
  const Graph g = with_input_shape(zoo_graph("resnet8", 32), "image", {1, 16, 16, 3});
  EXPECT_EQ(g.node(g.find("layer1.0.conv1")).shape, (Shape{1, 16, 16, 16}));
  EXPECT_EQ(g.node(g.output("logits")).shape, (Shape{1, 5}));
}

TEST(Int8Form, EveryConvolutionOfAResNetIsInt8AndNothingIsCastTwice) {
  const Int8Graph q = int8_form(inference_form(fuse(zoo_graph("resnet20", 32))).graph);
  const Graph& g = q.derived.graph;
  EXPECT_EQ(count_of(g, "Int8Conv2d"), 19u);
  EXPECT_EQ(count_of(g, "Quantise"), 1u);
  EXPECT_EQ(count_of(g, "Dequantise"), 0u);
  EXPECT_EQ(g.node(g.find("conv1")).dtype, DType::kU8);
  EXPECT_EQ(g.node(g.find("layer2.0.downsample")).dtype, DType::kU8);
  EXPECT_EQ(g.node(g.output("logits")).dtype, DType::kF32);
  // A value that only moves shares the scale of where it comes from: 19 convolutions and the image.
  EXPECT_EQ(q.values.size(), 20u);
}

TEST(Int8Form, SumsOfPreActivationNetworksAreSigned) {
  const Graph g = int8_form(inference_form(fuse(zoo_graph("wrn-16-1", 32))).graph).derived.graph;
  EXPECT_EQ(g.node(g.find("conv1")).dtype, DType::kI8);
  EXPECT_EQ(g.node(g.find("block1.layer.0.bn1")).dtype, DType::kU8);
}

TEST(Int8Form, FloatingLayersGetFloatingInputs) {
  const Graph g =
      int8_form(inference_form(fuse(zoo_graph("resnet8", 32, Norm::kGroup))).graph).derived.graph;
  EXPECT_EQ(g.node(g.find("conv1")).dtype, DType::kF32);  // the norm reads it
  EXPECT_EQ(g.node(g.find("bn1")).dtype, DType::kF32);
  EXPECT_EQ(g.node(g.find("bn1.quantised")).dtype, DType::kU8);
}

TEST(Int8Form, NamedLayersStayFloating) {
  const Graph inference = inference_form(fuse(zoo_graph("resnet20", 32))).graph;
  const auto layers = int8_layers(inference);
  EXPECT_EQ(layers.size(), 19u);
  const Int8Graph all = int8_form(inference);
  const Int8Graph some = int8_form(inference, {"conv1", "layer2.0.conv2"});
  const Graph& g = some.derived.graph;
  EXPECT_EQ(count_of(g, "Int8Conv2d"), 17u);
  EXPECT_EQ(g.node(g.find("conv1")).layer->kind(), "FusedConv2d");
  EXPECT_EQ(g.node(g.find("conv1")).dtype, DType::kF32);
  // What it makes is known not to be negative all the same.
  EXPECT_EQ(g.node(g.find("conv1.quantised")).dtype, DType::kU8);
  EXPECT_EQ(g.find("image.quantised"), kNoValue);
  for (const Int8Graph::Value& v : some.values) {
    EXPECT_TRUE(std::any_of(all.values.begin(), all.values.end(), [&](const Int8Graph::Value& w) {
      return w.nodes == v.nodes && w.levels == v.levels;
    })) << v.nodes.front();
  }
}

TEST(Int8Form, AMovedFloatingValueKeepsTheSignOfItsSource) {
  Graph g;
  const ValueId image = g.input("image", {1, 8, 8, 3});
  const auto conv = [&](const std::string& name, ValueId x, std::int64_t in) {
    const ValueId y = g.add(name,
                            std::make_shared<Conv2d>(Conv2dOptions{
                                .in_channels = in, .out_channels = 16, .kernel = 3, .pad = 1}),
                            {x});
    return g.add(name + ".relu", std::make_shared<ActivationLayer>(Activation::kRelu), {y});
  };
  const ValueId a = conv("a", image, 3);
  const ValueId pooled = g.add(
      "pool", std::make_shared<MaxPool2d>(kernels::PoolOptions{.window = 2, .stride = 2}), {a});
  g.mark_output("features", conv("b", pooled, 16));
  g.mark_output("early", a);  // so a, and with it the pooled value, stays f32
  const Int8Graph q = int8_form(inference_form(g).graph);
  const Graph& form = q.derived.graph;
  EXPECT_EQ(form.node(form.find("pool")).dtype, DType::kF32);
  EXPECT_EQ(form.node(form.find("pool")).layer->kind(), "MaxPool2d");
  EXPECT_EQ(form.node(form.find("pool.quantised")).dtype, DType::kU8);
  for (const auto& v : q.values) {
    EXPECT_EQ(v.levels, v.nodes.front() == "image" ? 127 : 255) << v.nodes.front();
  }
}

/// The scale that buffer `param` of the form holds, as its place among the values.
std::size_t scale_of(const Int8Graph& form, const std::string& param) {
  const auto found = std::find_if(form.scales.begin(), form.scales.end(),
                                  [&](const Int8Graph::Scale& s) { return s.param == param; });
  EXPECT_NE(found, form.scales.end()) << param;
  return found == form.scales.end() ? 0 : found->value;
}

TEST(Int8Form, BranchesShareTheScaleOfTheirConcatenation) {
  const Int8Graph q = int8_form(inference_form(fuse(zoo_graph("inception_v3", 75))).graph);
  const Graph& g = q.derived.graph;
  EXPECT_EQ(count_of(g, "Quantise"), 1u);  // the image
  EXPECT_EQ(count_of(g, "Int8AvgPool2d"), 9u);
  EXPECT_EQ(count_of(g, "AvgPool2d"), 0u);
  EXPECT_EQ(g.node(g.find("Mixed_5b.cat")).dtype, DType::kU8);
  const std::size_t scale = scale_of(q, "Mixed_5b.branch1x1.conv.y_scale");
  EXPECT_EQ(scale_of(q, "Mixed_5b.branch_pool.conv.y_scale"), scale);
  EXPECT_EQ(scale_of(q, "Mixed_5c.branch1x1.conv.x_scale"), scale);
  EXPECT_EQ(scale_of(q, "Mixed_5c.branch_pool.conv.x_scale"), scale);  // through the average pool
  EXPECT_NE(scale_of(q, "Mixed_5c.branch1x1.conv.y_scale"), scale);
  EXPECT_EQ(q.values[scale].nodes.size(), 4u);
  EXPECT_EQ(q.values[scale].levels, 255);
}

TEST(Int8Form, AFloatingBranchIsQuantisedForTheConcatenation) {
  const Graph inference = inference_form(fuse(zoo_graph("inception_v3", 75))).graph;
  const Int8Graph q = int8_form(inference, {"Mixed_5b.branch1x1.conv"});
  const Graph& g = q.derived.graph;
  EXPECT_EQ(g.node(g.find("Mixed_5b.branch1x1.conv")).dtype, DType::kF32);
  EXPECT_EQ(g.node(g.find("Mixed_5b.branch1x1.conv.quantised")).dtype, DType::kU8);
  EXPECT_EQ(g.node(g.find("Mixed_5b.cat")).dtype, DType::kU8);
  EXPECT_EQ(scale_of(q, "Mixed_5b.branch1x1.conv.quantised.y_scale"),
            scale_of(q, "Mixed_5b.branch_pool.conv.y_scale"));
}

TEST(Int8Form, AConcatenationWithASignedPartIsSigned) {
  const Int8Graph q = int8_form(inference_form(fuse(zoo_graph("densenet-bc-10-4", 8))).graph);
  const Graph& g = q.derived.graph;
  EXPECT_EQ(count_of(g, "Quantise"), 1u);
  std::size_t concatenations = 0;
  for (const Node& n : g.nodes()) {
    if (n.kind != NodeKind::kLayer || n.layer->kind() != "Concat") continue;
    EXPECT_EQ(n.dtype, DType::kI8) << n.name;
    ++concatenations;
  }
  EXPECT_EQ(concatenations, 3u);  // one a block
}

}  // namespace
}  // namespace graft
