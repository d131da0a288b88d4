// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/ir/cut.h"
#include "graph/plan/fuse.h"
#include "models/zoo/net_builder.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using testing::Net;
using testing::same_bits;

struct ModelCase {
  const char* model;
  std::int64_t side;
};

class Models : public ::testing::TestWithParam<ModelCase> {
 protected:
  [[nodiscard]] static Graph graph(Norm norm) {
    return fuse(testing::zoo_graph(GetParam().model, GetParam().side, norm, 10));
  }
};

const testing::NetOptions kInference = {
    .backend = Backend::kCpu, .dtype = DType::kF32, .batch = 2, .training = false};

void expect_finite(const Tensor& t) {
  for (std::int64_t i = 0; i < t.numel(); ++i) ASSERT_TRUE(std::isfinite(testing::element(t, i)));
}

TEST_P(Models, RunWithEitherNorm) {
  for (const Norm norm : {Norm::kBatch, Norm::kGroup}) {
    Net net(graph(norm), kInference);
    net.forward(Phase::kEval);
    const Tensor logits = net.output("logits");
    EXPECT_EQ(logits.shape(), (Shape{2, 10}));
    expect_finite(logits);
    EXPECT_FALSE(same_bits(logits.rows(0, 1), logits.rows(1, 1)));
    EXPECT_GT(
        plan_training(net.executor.graph(), net.executor.graph().output("loss"), 2, DType::kF32)
            .memory.bytes,
        0u);
  }
}

TEST_P(Models, GiveTheSameLogitsCutAnywhere) {
  const Graph g = graph(Norm::kBatch);
  Net whole(g, kInference);
  whole.forward(Phase::kEval);
  const Tensor logits = whole.output("logits");
  const auto points = cut_points(g);
  auto copied = kInference;
  copied.weights = &whole.params;
  EXPECT_GE(points.size(), 4u);
  // Large networks: some of the cuts, spread over the depth.
  constexpr std::int64_t kLarge = 5'000'000;
  const std::size_t most = whole.params.trainable_count() > kLarge ? 8 : points.size();
  const std::size_t step = (points.size() + most - 1) / most;
  for (std::size_t i = 0; i < points.size(); i += step) {
    const Split s = split(g, points[i]);
    Net prefix(s.prefix, copied), suffix(s.suffix, copied);
    prefix.forward(Phase::kEval);
    suffix.image = prefix.output("cut");
    suffix.bind_rows(0, 2);
    suffix.forward(Phase::kEval);
    ASSERT_TRUE(same_bits(suffix.output("logits"), logits)) << g.node(points[i]).name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, Models,
    ::testing::Values(ModelCase{"small_cnn", 32}, ModelCase{"resnet8", 32},
                      ModelCase{"resnet20:shortcut=B", 32}, ModelCase{"resnet18", 16},
                      ModelCase{"resnet18:stem=imagenet", 64}, ModelCase{"resnet50", 16},
                      ModelCase{"wrn-10-2:dropout=0.3", 32},
                      ModelCase{"mobilenet_v1:alpha=0.25", 32},
                      ModelCase{"mobilenet_v1:alpha=0.25,stem=imagenet", 64},
                      ModelCase{"mobilenet_v2:width=0.35", 32},
                      ModelCase{"mobilenet_v2:width=0.35,stem=imagenet", 64},
                      ModelCase{"densenet-bc-22-12", 32},
                      ModelCase{"densenet121:stem=imagenet", 64}, ModelCase{"squeezenet1_1", 32},
                      ModelCase{"inception_v3", 75}),
    [](const auto& test) { return testing::test_name(test.param.model); });

std::vector<std::string> names_of(const std::string& model, std::int64_t side) {
  std::vector<std::string> names;
  for (const auto& [name, spec] : testing::zoo_graph(model, side).param_specs())
    names.push_back(name);
  return names;
}

TEST(ModelNames, AreThoseOfTorchvision) {
  EXPECT_THAT(names_of("resnet50", 224),
              IsSupersetOf({"conv1.weight", "bn1.running_mean", "layer1.0.conv3.weight",
                            "layer1.0.downsample.0.weight", "layer1.0.downsample.1.bias",
                            "layer4.2.bn3.weight", "fc.weight", "fc.bias"}));
  EXPECT_THAT(
      names_of("mobilenet_v2", 224),
      IsSupersetOf({"features.0.0.weight", "features.0.1.running_var", "features.1.conv.0.0.weight",
                    "features.1.conv.1.weight", "features.1.conv.2.bias",
                    "features.2.conv.1.0.weight", "features.17.conv.3.weight",
                    "features.18.1.weight", "classifier.1.weight"}));
  EXPECT_THAT(
      names_of("densenet121", 224),
      IsSupersetOf({"features.conv0.weight", "features.norm0.weight",
                    "features.denseblock1.denselayer1.norm1.weight",
                    "features.denseblock4.denselayer16.conv2.weight",
                    "features.transition3.conv.weight", "features.norm5.bias", "classifier.bias"}));
  EXPECT_THAT(names_of("squeezenet1_1", 224),
              IsSupersetOf({"features.0.bias", "features.3.squeeze.weight",
                            "features.12.expand3x3.bias", "classifier.1.weight"}));
}

TEST(ModelNames, OfInceptionAreThoseOfTorchvision) {
  EXPECT_THAT(
      names_of("inception_v3", 299),
      IsSupersetOf({"Conv2d_1a_3x3.conv.weight", "Conv2d_4a_3x3.bn.running_var",
                    "Mixed_5b.branch5x5_2.conv.weight", "Mixed_6a.branch3x3dbl_3.bn.bias",
                    "Mixed_6e.branch7x7dbl_5.conv.weight", "Mixed_7a.branch7x7x3_4.conv.weight",
                    "Mixed_7c.branch3x3dbl_3b.bn.weight", "Mixed_7c.branch_pool.conv.weight",
                    "fc.weight", "fc.bias"}));
}

TEST(ModelNames, AreThoseOfTheUsualCifarPorts) {
  EXPECT_THAT(names_of("wrn-16-2", 32),
              IsSupersetOf({"block1.layer.0.bn1.weight", "block1.layer.0.convShortcut.weight",
                            "block3.layer.1.conv2.weight", "bn1.running_var", "fc.weight"}));
  EXPECT_THAT(names_of("mobilenet_v1", 224),
              IsSupersetOf({"conv1.weight", "conv1_bn.bias", "conv_dw_1.weight",
                            "conv_pw_13.weight", "conv_pw_13_bn.running_mean", "conv_preds.bias"}));
}

TEST(ModelBuild, StemFollowsTheImageUnlessSaid) {
  EXPECT_EQ(testing::zoo_graph("resnet18", 64).find("maxpool"), kNoValue);
  EXPECT_NE(testing::zoo_graph("resnet18", 65).find("maxpool"), kNoValue);
  EXPECT_NE(testing::zoo_graph("resnet18:stem=imagenet", 64).find("maxpool"), kNoValue);
  EXPECT_EQ(testing::zoo_graph("resnet18:stem=cifar", 65).find("maxpool"), kNoValue);
}

TEST(ModelBuild, FinalMapsHaveTheirUsualSize) {
  const auto last = [](const char* model, std::int64_t side) {
    const Graph g = testing::zoo_graph(model, side);
    const ValueId pool =
        g.find("avgpool") != kNoValue ? g.find("avgpool") : g.find("global_average_pooling2d");
    return g.node(g.node(pool).inputs[0]).shape[1];
  };
  EXPECT_EQ(last("resnet50", 224), 7);
  EXPECT_EQ(last("mobilenet_v1", 224), 7);
  EXPECT_EQ(last("mobilenet_v2", 224), 7);
  EXPECT_EQ(last("densenet121", 224), 7);
  EXPECT_EQ(last("squeezenet1_1", 224), 13);
  EXPECT_EQ(last("inception_v3", 299), 8);
  EXPECT_EQ(last("resnet20", 32), 8);
  EXPECT_EQ(last("wrn-16-2", 32), 8);
  EXPECT_EQ(last("densenet-bc-100-12", 32), 8);
  EXPECT_EQ(last("resnet18", 32), 4);
  EXPECT_EQ(last("mobilenet_v1", 32), 4);
  EXPECT_EQ(last("mobilenet_v2", 32), 4);
}

TEST(ModelBuild, HasTheOutputsAndTheSelectNodeThatTrainingNeeds) {
  const Graph g = testing::zoo_graph("resnet8", 32);
  EXPECT_EQ(g.node(g.output("loss")).name, "loss");
  EXPECT_EQ(g.node(g.output("logits")).name, "fc");
  const Node& select = g.node(g.find("select"));
  EXPECT_EQ(select.kind, NodeKind::kSelect);
  EXPECT_EQ(select.label, "sampler");
  EXPECT_EQ(g.node(g.find("image")).shape, (Shape{1, 32, 32, 3}));
  EXPECT_EQ(g.node(g.find("label")).dtype, DType::kI32);
}

TEST(ModelBuild, PassesTheLabelSmoothingOn) {
  const Graph g = build_model(parse_model_spec("small_cnn"), {.label_smoothing = 0.1});
  EXPECT_EQ(g.node(g.output("loss")).layer->attributes(), "smoothing 0.1");
}

TEST(ModelBuild, SaysWhenImagesAreTooSmall) {
  try {
    (void)testing::zoo_graph("squeezenet1_1", 8);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::kUsage);
    EXPECT_THAT(e.what(), HasSubstr("squeezenet1_1 does not fit images of 8x8"));
  }
}

TEST(NormGroups, DivideTheChannelsAndStayWide) {
  EXPECT_EQ(zoo::group_count(16), 4);
  EXPECT_EQ(zoo::group_count(64), 16);
  EXPECT_EQ(zoo::group_count(128), 32);
  EXPECT_EQ(zoo::group_count(2048), 32);
  EXPECT_EQ(zoo::group_count(24), 6);
  EXPECT_EQ(zoo::group_count(7), 1);
  EXPECT_EQ(zoo::group_count(1), 1);
  for (std::int64_t c = 1; c < 300; ++c) EXPECT_EQ(c % zoo::group_count(c), 0);
}

}  // namespace
}  // namespace graft
