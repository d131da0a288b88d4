// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/import.h"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "engine/io/archive.h"
#include "engine/io/file.h"
#include "models/spec/weight_names.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft {
namespace {

using testing::drawn_model;
using testing::fails_with;
using testing::TempFolder;
using testing::test_image;

constexpr const char* kTinyMobileNet = "mobilenet_v1:alpha=0.0625,stem=imagenet";
constexpr int kSide = 64;

struct Tensors {
  std::map<std::string, std::pair<std::vector<std::int64_t>, std::vector<float>>> by_name;

  void write(const std::filesystem::path& path) const {
    ArchiveWriter writer;
    for (const auto& [name, tensor] : by_name) {
      writer.add(name, DType::kF32, tensor.first, std::as_bytes(std::span(tensor.second)));
    }
    writer.write(path);
  }
};

/// Keras' name of one of graft's parameters.
std::string keras_name(const std::string& name, bool is_norm) {
  const auto dot = name.rfind('.');
  const std::string layer = name.substr(0, dot), part = name.substr(dot + 1);
  if (part == "running_mean") return layer + "/moving_mean";
  if (part == "running_var") return layer + "/moving_variance";
  if (is_norm) return layer + (part == "weight" ? "/gamma" : "/beta");
  if (part == "bias") return layer + "/bias";
  return layer + (layer.starts_with("conv_dw") ? "/depthwise_kernel" : "/kernel");
}

/// The weights of `model` as Keras stores them.
Tensors as_keras(Context& ctx, const Model& model) {
  Tensors out;
  for (const auto& e : model.params().entries()) {
    Shape s;
    const std::vector<float> v = to_archive_order(ctx, e.spec, e.value, s);
    const std::string name = keras_name(e.name, e.name.find("_bn.") != std::string::npos);
    if (s.rank() == 1) {
      out.by_name[name] = {{s[0]}, v};
      continue;
    }
    const std::int64_t k = s[0], c = s[1], r = s.rank() == 4 ? s[2] : 1,
                       q = s.rank() == 4 ? s[3] : 1;
    const bool depthwise = name.ends_with("depthwise_kernel");
    std::vector<float> moved;
    const std::int64_t outer = depthwise ? k : c, inner = depthwise ? c : k;
    for (std::int64_t i = 0; i < r * q; ++i) {
      for (std::int64_t a = 0; a < outer; ++a) {
        for (std::int64_t b = 0; b < inner; ++b) {
          const std::int64_t ik = depthwise ? a : b, ic = depthwise ? b : a;
          moved.push_back(v[static_cast<std::size_t>((ik * c + ic) * r * q + i)]);
        }
      }
    }
    out.by_name[name] = {{r, q, outer, inner}, moved};
  }
  return out;
}

TEST(Import, KerasNamesAndAxesGiveTheSameLogits) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  Model source = drawn_model(ctx, kTinyMobileNet, kSide, 7);
  as_keras(ctx, source).write(folder / "w.safetensors");
  Model model = import_weights(ctx, kTinyMobileNet, folder / "w.safetensors", {.size = kSide});
  EXPECT_EQ(model.classes(), 7);
  EXPECT_EQ(model.header().labels[6], "6");
  const ImageU8 image = test_image();
  const auto want = source.run(std::span(&image, 1)), got = model.run(std::span(&image, 1));
  EXPECT_TRUE(std::equal(want.begin(), want.end(), got.begin(), got.end()));
}

TEST(Import, ATrunkNeedsTheFlagAndEndsWhereTheWeightsDo) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  Tensors tensors = as_keras(ctx, drawn_model(ctx, kTinyMobileNet, kSide, 7));
  std::erase_if(tensors.by_name, [](const auto& t) {
    return t.first.starts_with("conv_pw_13") || t.first.starts_with("conv_preds");
  });
  const auto path = folder / "w.safetensors";
  tensors.write(path);
  EXPECT_TRUE(
      fails_with(Errc::kModel,
                 {"missing: conv_pw_13.weight", "missing: conv_preds.bias",
                  "complete up to conv_dw_13_bn.act", "--trunk"},
                 [&] { (void)import_weights(ctx, kTinyMobileNet, path, {.size = kSide}); }));
  Model model = import_weights(ctx, kTinyMobileNet, path, {.size = kSide, .trunk = true});
  EXPECT_FALSE(model.header().classifies());
  EXPECT_EQ(model.run(std::vector{test_image()}).size(), 2u * 2 * 64);
  EXPECT_TRUE(fails_with(Errc::kModel, {"feature extractor", "no classes"},
                         [&] { (void)model.classify(test_image()); }));
  const auto file = folder / "trunk.graft";
  model.save(file);
  EXPECT_EQ(Model::load(ctx, file).header().graph.outputs().front().name, kFeatures);
}

TEST(Import, EverythingThatDoesNotFitIsListedAtOnce) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  Tensors tensors = as_keras(ctx, drawn_model(ctx, kTinyMobileNet, kSide, 7));
  tensors.by_name["conv1_bn/gamma"] = {{3}, {1, 2, 3}};
  tensors.by_name["extra/gamma"] = {{1}, {1}};
  tensors.by_name.erase("conv_dw_3_bn/beta");
  tensors.write(folder / "w.safetensors");
  EXPECT_TRUE(fails_with(
      Errc::kModel,
      {"3 weights", "conv1_bn/gamma is (3)", "has no extra/gamma", "missing: conv_dw_3_bn.bias"},
      [&] {
        (void)import_weights(ctx, kTinyMobileNet, folder / "w.safetensors",
                             {.size = kSide, .trunk = true});
      }));
}

TEST(Import, LabelsMustBeAsManyAsClasses) {
  const TempFolder folder;
  Context ctx(Backend::kCpu);
  as_keras(ctx, drawn_model(ctx, kTinyMobileNet, kSide, 7)).write(folder / "w.safetensors");
  EXPECT_TRUE(fails_with(Errc::kModel, {"7 classes", "2 labels"}, [&] {
    (void)import_weights(ctx, kTinyMobileNet, folder / "w.safetensors",
                         {.labels = {"a", "b"}, .size = kSide});
  }));
}

TEST(Import, LabelFilesAreReadInTheirUsualForms) {
  const TempFolder folder;
  const auto read = [&](const std::string& name, const std::string& text) {
    atomic_write(folder / name, text);
    return read_label_file(folder / name);
  };
  const std::vector<std::string> want = {"cat", "dog"};
  EXPECT_EQ(read("a.json", R"(["cat","dog"])"), want);
  EXPECT_EQ(read("b.json", R"([["n01","cat"],["n02","dog"]])"), want);
  EXPECT_EQ(read("c.txt", "cat\r\ndog\n"), want);
  for (const char* bad : {"{}", "[]", "[1]", "[[1,2]]"}) {
    EXPECT_TRUE(fails_with(Errc::kData, {"d.json"}, [&] { (void)read("d.json", bad); })) << bad;
  }
}

TEST(WeightNames, OfTimmsMobileNetV2AreTorchvisions) {
  const ModelSpec spec = parse_model_spec("mobilenet_v2");
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"conv_stem.weight", "features.0.0.weight"},
      {"bn1.running_var", "features.0.1.running_var"},
      {"blocks.0.0.conv_dw.weight", "features.1.conv.0.0.weight"},
      {"blocks.0.0.bn2.bias", "features.1.conv.2.bias"},
      {"blocks.1.0.conv_pw.weight", "features.2.conv.0.0.weight"},
      {"blocks.2.1.bn2.weight", "features.5.conv.1.1.weight"},
      {"blocks.6.0.conv_pwl.weight", "features.17.conv.2.weight"},
      {"blocks.6.0.bn3.bias", "features.17.conv.3.bias"},
      {"conv_head.weight", "features.18.0.weight"},
      {"classifier.bias", "classifier.1.bias"},
      {"features.3.conv.2.weight", "features.3.conv.2.weight"},
      {"bn1.num_batches_tracked", ""}};
  for (const auto& [theirs, ours] : cases) EXPECT_EQ(native_name(spec, theirs, 4).name, ours);
}

TEST(WeightNames, AuxiliaryClassifiersAndCountersHaveNone) {
  const ModelSpec spec = parse_model_spec("inception_v3");
  EXPECT_EQ(native_name(spec, "AuxLogits.fc.weight", 2).name, "");
  EXPECT_EQ(native_name(spec, "Conv2d_1a_3x3.bn.num_batches_tracked", 0).name, "");
  EXPECT_EQ(native_name(spec, "fc.weight", 2).name, "fc.weight");
}

}  // namespace
}  // namespace graft
