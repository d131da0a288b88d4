// SPDX-License-Identifier: Apache-2.0
// Published counts: torchvision's model pages, the papers' tables, Keras Applications (whose totals
// include running statistics). The others were counted by bench/peers/pytorch_models.py.
#include <algorithm>

#include <gtest/gtest.h>

#include "models/spec/model_spec.h"
#include "tests/unit/graph/net.h"

namespace graft {
namespace {

struct CountCase {
  const char* model;
  std::int64_t side, classes, count;
};

std::string name_of(const ::testing::TestParamInfo<CountCase>& test) {
  return testing::test_name(test.param.model) + "_" + std::to_string(test.param.classes);
}

class ParameterCount : public ::testing::TestWithParam<CountCase> {};

std::int64_t trainable(const Graph& g) {
  std::int64_t n = 0;
  for (const auto& [name, spec] : g.param_specs()) {
    if (spec.kind == ParamKind::kTrainable) n += spec.shape.numel();
  }
  return n;
}

TEST_P(ParameterCount, IsThePublishedOne) {
  const auto& c = GetParam();
  const ModelSpec spec = parse_model_spec(c.model);
  for (const Norm norm : {Norm::kBatch, Norm::kGroup}) {  // gamma and beta a channel in both
    const Graph g =
        build_model(spec, {.classes = c.classes, .height = c.side, .width = c.side, .norm = norm});
    EXPECT_EQ(trainable(g), c.count);
  }
}

INSTANTIATE_TEST_SUITE_P(ImageNet, ParameterCount,
                         ::testing::Values(CountCase{"resnet18", 224, 1000, 11689512},
                                           CountCase{"resnet34", 224, 1000, 21797672},
                                           CountCase{"resnet50", 224, 1000, 25557032},
                                           CountCase{"resnet101", 224, 1000, 44549160},
                                           CountCase{"resnet152", 224, 1000, 60192808},
                                           CountCase{"mobilenet_v1", 224, 1000, 4231976},
                                           CountCase{"mobilenet_v1:alpha=0.75", 224, 1000, 2585560},
                                           CountCase{"mobilenet_v1:alpha=0.5", 224, 1000, 1331592},
                                           CountCase{"mobilenet_v1:alpha=0.25", 224, 1000, 470072},
                                           CountCase{"mobilenet_v2", 224, 1000, 3504872},
                                           CountCase{"mobilenet_v2:width=0.35", 224, 1000, 1677128},
                                           CountCase{"mobilenet_v2:width=0.5", 224, 1000, 1968680},
                                           CountCase{"mobilenet_v2:width=0.75", 224, 1000, 2636424},
                                           CountCase{"mobilenet_v2:width=1.4", 224, 1000, 6108776},
                                           CountCase{"densenet121", 224, 1000, 7978856},
                                           CountCase{"densenet169", 224, 1000, 14149480},
                                           CountCase{"densenet201", 224, 1000, 20013928},
                                           CountCase{"squeezenet1_1", 224, 1000, 1235496},
                                           // torchvision's 27161264 less the auxiliary classifier
                                           CountCase{"inception_v3", 299, 1000, 23834568}),
                         name_of);

INSTANTIATE_TEST_SUITE_P(
    Cifar, ParameterCount,
    ::testing::Values(
        CountCase{"resnet8", 32, 10, 75290}, CountCase{"resnet20", 32, 10, 269722},
        CountCase{"resnet32", 32, 10, 464154}, CountCase{"resnet44", 32, 10, 658586},
        CountCase{"resnet56", 32, 10, 853018}, CountCase{"resnet110", 32, 10, 1727962},
        CountCase{"resnet20", 32, 100, 275572}, CountCase{"resnet18", 32, 10, 11173962},
        CountCase{"resnet34", 32, 10, 21282122}, CountCase{"resnet50", 32, 10, 23520842},
        CountCase{"resnet101", 32, 10, 42512970}, CountCase{"resnet18", 32, 100, 11220132},
        CountCase{"wrn-16-1", 32, 10, 175066}, CountCase{"wrn-16-2", 32, 10, 691674},
        CountCase{"wrn-16-4", 32, 10, 2748890}, CountCase{"wrn-16-8", 32, 10, 10961370},
        CountCase{"wrn-22-8", 32, 10, 17158106}, CountCase{"wrn-28-10", 32, 10, 36479194},
        CountCase{"wrn-28-10:dropout=0.3", 32, 100, 36536884},
        CountCase{"wrn-40-2", 32, 10, 2243546}, CountCase{"wrn-40-4", 32, 10, 8949210},
        CountCase{"mobilenet_v1", 32, 10, 3217226},
        CountCase{"mobilenet_v1:alpha=0.25", 32, 10, 215642},
        CountCase{"mobilenet_v2", 32, 10, 2236682},
        CountCase{"mobilenet_v2:width=0.5", 32, 10, 700490},
        CountCase{"densenet-bc-22-12", 32, 10, 71686},
        CountCase{"densenet-bc-100-12", 32, 10, 769162},
        CountCase{"densenet-bc-100-12", 32, 100, 800032}, CountCase{"densenet121", 32, 10, 6956298},
        CountCase{"squeezenet1_1", 32, 10, 727626}, CountCase{"small_cnn", 32, 10, 57130}),
    name_of);

TEST(ParameterCountOfKeras, AddsTheRunningStatistics) {
  std::int64_t n = 0;
  const Graph g =
      build_model(parse_model_spec("mobilenet_v1"), {.classes = 1000, .height = 224, .width = 224});
  for (const auto& [name, spec] : g.param_specs()) n += spec.shape.numel();
  EXPECT_EQ(n, 4253864);
}

}  // namespace
}  // namespace graft
