// SPDX-License-Identifier: Apache-2.0
// int8 models as ONNX files (QDQ), there and back.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "graph/plan/int8.h"
#include "models/onnx/export.h"
#include "models/onnx/proto.h"
#include "runtime/model/drawn_images.h"
#include "runtime/model/import.h"
#include "runtime/model/quantize.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/onnx/onnx_file.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft {
namespace {

using testing::drawn_model;
using testing::FileBuilder;
using testing::TempFolder;

constexpr const char* kPreprocess = "keras:resize=none";

std::string exported(Context& ctx, const Model& int8) {
  return onnx::export_model(ctx, stored_graph(int8.header()), int8.params());
}

Model imported(Context& ctx, const std::string& bytes) {
  const TempFolder folder;
  atomic_write(folder / "m.onnx", bytes);
  return import_onnx(ctx, folder / "m.onnx", {.preprocess = kPreprocess});
}

std::vector<float> logits(Context& ctx, Model& model) {
  const int side = model.header().preprocess.height;
  const ImageSet set{.source = "drawn", .images = drawn_images(side, side, 3), .labels = {}};
  return outputs_on(ctx, model, set, set.size()).values;
}

/// The `count` first layers that can be 8-bit stay f32.
Model int8_with(Context& ctx, Model& model, std::size_t count) {
  const int side = model.header().preprocess.height;
  const ImageSet set{.source = "drawn", .images = drawn_images(side, side, 2), .labels = {}};
  Calibration calibration;
  calibration.see(model, input_of(ctx, model.header(), set, 0, 2));
  std::vector<std::string> floating = int8_layers(model.inference_graph());
  floating.resize(count);
  return make_int8(ctx, model, calibration, CalibrationMethod::kMinMax, floating);
}

struct RoundTripCase {
  const char* architecture;
  int side;
  std::int64_t classes;
  std::size_t floating;
};

class Int8RoundTrip : public ::testing::TestWithParam<RoundTripCase> {};

TEST_P(Int8RoundTrip, ExportAndImportGiveTheSameNetwork) {
  const RoundTripCase& c = GetParam();
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, c.architecture, c.side, c.classes);
  Model int8 = int8_with(ctx, model, c.floating);
  const std::string bytes = exported(ctx, int8);
  Model back = imported(ctx, bytes);
  ASSERT_TRUE(back.header().quantization.has_value());
  // A shortcut without parameters comes back as a convolution, f32 where it was.
  EXPECT_GE(back.header().quantization->floating.size(), c.floating);
  EXPECT_EQ(logits(ctx, back), logits(ctx, int8));
  // And again: files of imported models are like any other.
  Model third = imported(ctx, exported(ctx, back));
  EXPECT_EQ(logits(ctx, third), logits(ctx, int8));
}

INSTANTIATE_TEST_SUITE_P(Zoo, Int8RoundTrip,
                         ::testing::Values(RoundTripCase{"small_cnn", 32, 10, 0},
                                           RoundTripCase{"resnet8", 32, 10, 0},
                                           RoundTripCase{"resnet8", 32, 10, 3},
                                           RoundTripCase{"mobilenet_v1:alpha=0.25", 32, 2100, 0},
                                           RoundTripCase{"mobilenet_v1:alpha=0.25", 32, 10, 5},
                                           RoundTripCase{"mobilenet_v2:width=0.5", 32, 10, 0},
                                           RoundTripCase{"squeezenet1_1", 64, 10, 2},
                                           RoundTripCase{"densenet-bc-16-8", 32, 10, 0}),
                         [](const auto& test) {
                           std::string name = test.param.architecture;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char ch) { return std::isalnum(ch) == 0; }, '_');
                           return name + "_" + std::to_string(test.param.floating) + "_of_f32";
                         });

/// A sound 8-bit file with one 1x1 convolution, the image with this zero point.
std::string small_file(std::uint8_t zero) {
  FileBuilder f;
  f.input("x", {1, 3, 8, 8});
  f.output("y");
  const float scale = 0.02F;
  f.raw_weight("s", {}, 1, std::string(reinterpret_cast<const char*>(&scale), sizeof(scale)));
  f.raw_weight("z", {}, 2, std::string(1, static_cast<char>(zero)));
  f.node("QuantizeLinear", {"x", "s", "z"}, {"xq"}, "q");
  f.node("DequantizeLinear", {"xq", "s", "z"}, {"xd"}, "d");
  f.raw_weight("c.weight_quantized", {2, 3, 1, 1}, 3, std::string("\x7f\1\2\3\x7f\5", 6));
  f.node("DequantizeLinear", {"c.weight_quantized", "s"}, {"w"}, "dw");
  f.node("Conv", {"xd", "w"}, {"c"}, "c");
  f.raw_weight("middle", {}, 2, "\x80");
  f.node("QuantizeLinear", {"c", "s", "middle"}, {"cq"}, "qc");
  f.node("DequantizeLinear", {"cq", "s", "middle"}, {"cd"}, "dc");
  f.node("GlobalAveragePool", {"cd"}, {"p"}, "pool");
  f.node("Flatten", {"p"}, {"y"}, "flat");
  return f.bytes();
}

TEST(Int8Import, OnlyStepsAroundZeroMakeTheImageInt8) {
  Context ctx(Backend::kCpu);
  EXPECT_TRUE(imported(ctx, small_file(128)).header().quantization.has_value());
  Model f32 = imported(ctx, small_file(100));
  EXPECT_FALSE(f32.header().quantization.has_value());
  EXPECT_EQ(f32.params().entry(f32.params().find("c.weight")).value.ptr<float>()[0], 127 * 0.02F);
}

TEST(Int8Export, OtherScalesAtTheTwoEndsOfAValueAreRefused) {
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  Model int8 = quantize_for_timing(ctx, model);
  const std::string layer = int8_layers(model.inference_graph())[1];
  *int8.params().entry(int8.params().find(layer + ".x_scale")).value.ptr<float>() *= 2;
  EXPECT_TRUE(testing::fails_with(Errc::kUnsupported, {layer, "another scale"},
                                  [&] { (void)exported(ctx, int8); }));
}

/// What ONNX Runtime makes 32-bit steps of, it can.
TEST(Int8Export, EveryBiasFitsTheStepsOfItsFilter) {
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  Model int8 = quantize_for_timing(ctx, model);
  const std::string layer = int8_layers(model.inference_graph())[0];
  const auto param = [&](const char* part) {
    return int8.params().entry(int8.params().find(layer + part)).value;
  };
  float* w_scale = param(".w_scale").ptr<float>();
  float* bias = param(".bias").ptr<float>();
  auto* weight = param(".weight").ptr<std::int8_t>();
  const std::int64_t row = param(".weight").shape().row_numel();
  std::fill_n(weight, row,
              std::int8_t{0});  // no filter, a bias that is less than a step of the input
  w_scale[0] = 1;
  bias[0] = 1e-4F;
  w_scale[1] = 1e-14F;  // no filter to speak of
  bias[1] = -1;
  const std::string bytes = exported(ctx, int8);
  const onnx::ModelProto file = onnx::parse_model(bytes, "m.onnx");
  std::vector<float> scales;
  for (const onnx::TensorProto& t : file.graph.initializers) {
    if (t.name == layer + ".weight_scale") scales = t.as_floats();
  }
  ASSERT_GT(scales.size(), 2u);
  const float x_scale = *param(".x_scale").ptr<float>();
  for (std::size_t k = 0; k < scales.size(); ++k) {
    EXPECT_LE(std::fabs(bias[k]) / (x_scale * scales[k]), 1.001 * (1 << 30)) << k;
  }
  EXPECT_GT(1e-4F / (x_scale * scales[0]), 1e6F);
  EXPECT_EQ(scales[2], w_scale[2]);
  Model back = imported(ctx, bytes);
  const std::vector<float> want = logits(ctx, int8), got = logits(ctx, back);
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-3) << i;
}

}  // namespace
}  // namespace graft
