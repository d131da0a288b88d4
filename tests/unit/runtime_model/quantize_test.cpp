// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/quantize.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "graph/plan/int8.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_model/drawn_set.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft {
namespace {

using testing::drawn_model;
using testing::drawn_set;
using testing::fails_with;
using testing::labelled_by;
using testing::TempFolder;

std::size_t count_kind(const Graph& graph, std::string_view kind) {
  std::size_t n = 0;
  for (const Node& node : graph.nodes()) n += node.layer && node.layer->kind() == kind ? 1 : 0;
  return n;
}

TEST(Histogram, MinMaxIsTheLargestMagnitudeWhateverTheOrder) {
  MagnitudeHistogram h;
  EXPECT_EQ(h.range(CalibrationMethod::kMinMax, 127), 0.0F);
  h.add(std::vector<float>{0, 0});
  EXPECT_EQ(h.range(CalibrationMethod::kEntropy, 127), 0.0F);
  h.add(std::vector<float>{0.1F, -0.2F});
  h.add(std::vector<float>{-300.0F, 5});
  h.add(std::vector<float>{0.3F});
  EXPECT_EQ(h.range(CalibrationMethod::kMinMax, 127), 300.0F);
  EXPECT_TRUE(fails_with(Errc::kNumerical, {"inf"}, [&] {
    h.add(std::vector<float>{1, INFINITY});
  }));
}

TEST(Histogram, RareOutliersAreCutOff) {
  MagnitudeHistogram h;
  Philox rng({.seed = 1, .purpose = RngPurpose::kTest});
  std::vector<float> values(100'000);
  for (float& v : values) v = static_cast<float>(rng.normal());
  values[7] = 100;
  h.add(values);
  EXPECT_EQ(h.range(CalibrationMethod::kMinMax, 255), 100.0F);
  for (const auto method : {CalibrationMethod::kPercentile, CalibrationMethod::kEntropy}) {
    const float range = h.range(method, 127);
    EXPECT_GT(range, 2.0F) << name(method);
    EXPECT_LT(range, 20.0F) << name(method);
  }
}

TEST(Histogram, DependsOnNeitherOrderNorBatch) {
  Philox rng({.seed = 2, .purpose = RngPurpose::kTest});
  std::vector<float> values(20'000);
  for (float& v : values) v = static_cast<float>(rng.normal() * rng.normal());
  MagnitudeHistogram whole, pieces;
  whole.add(values);
  std::reverse(values.begin(), values.end());
  for (std::size_t i = 0; i < values.size(); i += 50) pieces.add(std::span(values).subspan(i, 50));
  for (const auto method : calibration_methods()) {
    EXPECT_EQ(whole.range(method, 127), pieces.range(method, 127)) << name(method);
  }
}

TEST(Histogram, NeverExceedsWhatWasSeen) {
  MagnitudeHistogram h;
  h.add(std::vector<float>{3, 3, 3});
  for (const auto method : calibration_methods()) EXPECT_EQ(h.range(method, 255), 3.0F);
}

TEST(CalibrationMethods, AreReadByName) {
  for (const auto method : calibration_methods()) {
    EXPECT_EQ(parse_calibration_method(name(method)), method);
  }
  EXPECT_TRUE(fails_with(Errc::kUsage, {"'entropie'", "did you mean `entropy`"},
                         [] { (void)parse_calibration_method("entropie"); }));
}

TEST(Score, CountsFirstClassesAndNoise) {
  const Outputs f32{.values = {1, 2, 3, 9, 5, 1}, .width = 3};
  const Outputs other{.values = {1, 4, 3, 9, 5, 1}, .width = 3};
  const Score same = score_of(f32, f32, {2, 1});
  EXPECT_EQ(same.agreement, 100);
  EXPECT_EQ(*same.top1, 50);
  EXPECT_EQ(*same.top5, 100);
  EXPECT_TRUE(std::isinf(same.sqnr_db));
  const Score s = score_of(other, f32, {2, 1});
  EXPECT_EQ(s.agreement, 50);
  EXPECT_EQ(*s.top1, 0);
  EXPECT_EQ(points_lost(s, same), 50);
  // What all outputs of an image have in common is no noise.
  const Outputs shifted{.values = {6, 7, 8, 9, 5, 1}, .width = 3};
  EXPECT_GT(score_of(shifted, f32, {}).sqnr_db, 100);
  EXPECT_FALSE(score_of(shifted, f32, {}).top1.has_value());
}

class QuantizeOf : public ::testing::TestWithParam<const char*> {};

TEST_P(QuantizeOf, KeepsTheAnswersAndItsFileGivesTheSameBits) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, GetParam(), 32, 10);
  constexpr int kImages = 6;
  const ImageSet calibration = drawn_set(32, kImages);
  const ImageSet validation = labelled_by(ctx, model, drawn_set(32, kImages));
  QuantizeReport report;
  Model int8 = quantize(ctx, model, calibration, validation, {.gate = 100}, report);
  EXPECT_EQ(report.methods.size(), 3u);
  EXPECT_EQ(*report.f32.top1, 100);
  EXPECT_GT(report.int8.sqnr_db, 10);
  EXPECT_GT(count_kind(int8.inference_graph(), "Int8Conv2d"), 0u);
  const std::string sha = int8.save(folder / "m8.graft");
  EXPECT_EQ(sha.size(), 64u);
  (void)model.save(folder / "m.graft");
  EXPECT_LT(std::filesystem::file_size(folder / "m8.graft"),
            std::filesystem::file_size(folder / "m.graft"));
  Model back = Model::load(ctx, folder / "m8.graft");
  EXPECT_EQ(back.header().quantization->method, name(report.method));
  EXPECT_EQ(outputs_on(ctx, back, validation, kImages).values,
            outputs_on(ctx, int8, validation, kImages).values);
}

INSTANTIATE_TEST_SUITE_P(Zoo, QuantizeOf, ::testing::ValuesIn(testing::kReducedModels),
                         [](const auto& test) { return "case" + std::to_string(test.index); });

TEST(Quantize, AFileOfAnOlderFormIsRefused) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  (void)quantize_for_timing(ctx, model).save(folder / "m8.graft");
  std::string bytes = read_file(folder / "m8.graft");
  const std::string format = "\"graft_model\":\"3\"";
  const auto at = bytes.find(format);
  ASSERT_NE(at, std::string::npos);
  bytes[at + format.size() - 2] = '2';
  atomic_write(folder / "old.graft", bytes);
  EXPECT_TRUE(fails_with(Errc::kModel, {"format 2", "graft quantize"},
                         [&] { (void)Model::load(ctx, folder / "old.graft"); }));
}

TEST(Quantize, AClassifierOfManyWeightsIsInt8) {
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, "mobilenet_v1:alpha=0.25", 32, 2048);
  Model int8 = quantize_for_timing(ctx, model);
  EXPECT_EQ(count_kind(int8.inference_graph(), "Int8Linear"), 1u);
  EXPECT_EQ(count_kind(int8.inference_graph(), "Linear"), 0u);
  const ImageSet set = drawn_set(32, 4);
  const Outputs reference = outputs_on(ctx, model, set, set.size());
  EXPECT_GT(score_of(outputs_on(ctx, int8, set, set.size()), reference, {}).sqnr_db, 10);
  Model few = drawn_model(ctx, "mobilenet_v1:alpha=0.25", 32, 10);
  EXPECT_EQ(count_kind(quantize_for_timing(ctx, few).inference_graph(), "Int8Linear"), 0u);
}

/// A channel that nobody reads dwarfs the others of the first convolution: 8 bits leave nothing of
/// them.
Model model_with_a_loud_channel(Context& ctx) {
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  const ParamStore& params = model.params();
  float* gamma = params.entry(params.find("bn1.weight")).value.ptr<float>();
  gamma[0] = 3e4F;
  float* next = params.entry(params.find("conv2.weight")).value.ptr<float>();
  const Shape& w = params.entry(params.find("conv2.weight")).spec.shape;
  for (std::int64_t i = 0; i < w.numel(); i += w[3]) next[i] = 0;
  model.params().bump_version();
  return model;
}

TEST(Quantize, LayersThatCostTooMuchGoBackToF32) {
  Context ctx(Backend::kCpu);
  Model model = model_with_a_loud_channel(ctx);
  const ImageSet validation = labelled_by(ctx, model, drawn_set(32, 24));
  QuantizeReport report;
  Model int8 = quantize(ctx, model, validation, validation,
                        {.methods = {CalibrationMethod::kMinMax}, .gate = 0}, report);
  const auto& floating = int8.header().quantization->floating;
  EXPECT_LT(points_lost(report.int8, report.f32), points_lost(report.methods[0].score, report.f32));
  EXPECT_EQ(floating, std::vector<std::string>{"conv2"});
  EXPECT_EQ(report.layers.size(), int8_layers(model.inference_graph()).size());
  for (const LayerReport& layer : report.layers) {
    const bool named = std::find(floating.begin(), floating.end(), layer.name) != floating.end();
    EXPECT_EQ(named, layer.floating) << layer.name;
    const Node& n = int8.inference_graph().node(int8.inference_graph().find(layer.name));
    EXPECT_EQ(n.layer->kind() == "FusedConv2d", named) << layer.name;
  }
}

TEST(Quantize, AGainByChanceKeepsNoLayerIn8Bits) {
  Context ctx(Backend::kCpu);
  Model model = model_with_a_loud_channel(ctx);
  const ImageSet images = drawn_set(32, 24);
  Calibration calibration;
  calibration.see(model, input_of(ctx, model.header(), images, 0, images.size()));
  Model all = make_int8(ctx, model, calibration, CalibrationMethod::kMinMax, {});
  const ImageSet lucky = labelled_by(ctx, all, images);  // 8 bits are always right
  QuantizeReport report;
  Model int8 =
      quantize(ctx, model, images, lucky, {.methods = {CalibrationMethod::kMinMax}}, report);
  EXPECT_LT(points_lost(report.methods[0].score, report.f32), 0);
  EXPECT_GT(int8.header().quantization->floating.size(), 0u);
  EXPECT_GT(report.int8.agreement, report.methods[0].score.agreement);
}

TEST(Quantize, RefusesWhatItCannotDo) {
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  Model timed = quantize_for_timing(ctx, model);
  const ImageSet set = drawn_set(32, 2);
  QuantizeReport report;
  EXPECT_TRUE(fails_with(Errc::kUsage, {"int8 already"},
                         [&] { (void)quantize(ctx, timed, set, set, {}, report); }));
  EXPECT_TRUE(fails_with(Errc::kData, {"no images"},
                         [&] { (void)quantize(ctx, model, set, drawn_set(32, 0), {}, report); }));
  model.set_folds(false);
  EXPECT_TRUE(fails_with(Errc::kUnsupported, {"folded"},
                         [&] { (void)quantize(ctx, model, set, set, {}, report); }));
}

TEST(Quantize, DamagedInt8FilesAreRefused) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  const auto path = folder / "m8.graft";
  (void)quantize_for_timing(ctx, model).save(path);
  const std::string sound = read_file(path);
  for (std::size_t at = 0; at < sound.size(); at += sound.size() / 40) {
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    atomic_write(path, damaged);
    EXPECT_TRUE(fails_with(Errc::kModel, {path.string()}, [&] { (void)Model::load(ctx, path); }))
        << "byte " << at;
  }
}

TEST(Quantize, AScaleOfZeroIsRefused) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  Model model = drawn_model(ctx, "small_cnn", 32, 10);
  Model timed = quantize_for_timing(ctx, model);
  for (const auto& e : timed.params().entries()) {
    if (e.name.ends_with("x_scale")) *e.value.ptr<float>() = 0;
  }
  (void)timed.save(folder / "m8.graft");
  EXPECT_TRUE(fails_with(Errc::kModel, {"x_scale holds 0"},
                         [&] { (void)Model::load(ctx, folder / "m8.graft"); }));
}

}  // namespace
}  // namespace graft
