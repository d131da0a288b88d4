// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/rng.h"
#include "engine/io/archive.h"
#include "engine/io/file.h"
#include "graph/exec/executor.h"
#include "graph/ir/prune.h"
#include "graph/plan/fuse.h"
#include "models/onnx/export.h"
#include "models/onnx/import.h"
#include "models/spec/graph_json.h"
#include "tests/support/fails_with.h"
#include "tests/unit/graph/net.h"
#include "tests/unit/onnx/onnx_file.h"

namespace graft::onnx {
namespace {

using testing::fails_with;
using testing::FileBuilder;

/// A graph with weights, in evaluation.
struct Runner {
  explicit Runner(const Graph& g)
      : ctx(Backend::kCpu), graph(g), params(ctx, g.param_specs(), DType::kF32) {}

  std::vector<float> run(const Tensor& x) {
    Executor executor(ctx, fuse(graph), params, {.max_batch = x.shape()[0]});
    executor.bind(executor.graph().find("image"), x);
    executor.forward(Phase::kEval);
    const Tensor y = executor.value(executor.graph().outputs().front().value);
    std::vector<float> values(static_cast<std::size_t>(y.numel()));
    copy_to_host(ctx, y, values.data());
    return values;
  }
  void take(const std::map<std::string, std::vector<float>>& weights) {
    for (const auto& e : params.entries()) {
      Tensor value = e.value;
      ASSERT_EQ(weights.at(e.name).size(), static_cast<std::size_t>(value.numel())) << e.name;
      from_archive_order(ctx, e.spec, weights.at(e.name).data(), value);
    }
    params.bump_version();
  }
  /// Weights of the usual size; running statistics that do something.
  void draw() {
    params.initialise(ctx, 5);
    for (const auto& e : params.entries()) {
      if (e.spec.shape.rank() != 1) continue;
      Philox rng({.seed = 9, .purpose = RngPurpose::kTest, .epoch = 0, .id = e.name.size()});
      auto* values = static_cast<float*>(e.value.data());
      for (std::int64_t i = 0; i < e.value.numel(); ++i) values[i] += 0.3F * rng.uniform();
    }
    params.bump_version();
  }

  Context ctx;
  Graph graph;
  ParamStore params;
};

Tensor random_image(Context& ctx, const Graph& graph) {
  Tensor x = Tensor::allocate(ctx.memory(), graph.node(graph.find("image")).shape);
  Philox rng({.seed = 3, .purpose = RngPurpose::kTest});
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    static_cast<float*>(x.data())[i] = static_cast<float>(rng.normal());
  }
  return x;
}

double difference(const std::vector<float>& got, const std::vector<float>& want) {
  EXPECT_EQ(got.size(), want.size());
  double worst = 0, scale = 0;
  for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - want[i]));
    scale = std::max(scale, std::abs(static_cast<double>(want[i])));
  }
  return worst / scale;
}

std::vector<float> expected(const ArchiveReader& archive, const std::string& name) {
  std::vector<float> values(archive.read(name).bytes.size() / sizeof(float));
  archive.read_into(name,
                    Tensor::borrow(values.data(), {static_cast<std::int64_t>(values.size())}));
  return values;
}

class OnnxFixture : public ::testing::TestWithParam<const char*> {};

TEST_P(OnnxFixture, AgreesWithOnnxRuntime) {
  const std::string folder = GRAFT_ORACLE_DIR, name = GetParam();
  const std::string path = folder + "/onnx_" + name + ".onnx";
  const Imported imported = import_model(read_file(path), path);
  Runner runner(imported.graph);
  runner.take(imported.weights);
  const ArchiveReader archive(folder + "/onnx_expected.safetensors");
  const std::vector<float> nchw = expected(archive, name + ".x");
  Tensor x = Tensor::allocate(runner.ctx.memory(), imported.graph.node(0).shape);
  const auto pixels = static_cast<std::size_t>(x.numel() / 3);
  for (std::size_t i = 0; i < nchw.size(); ++i) {
    static_cast<float*>(x.data())[i % pixels * 3 + i / pixels] = nchw[i];
  }
  EXPECT_LT(difference(runner.run(x), expected(archive, name + ".y")), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(PyTorch, OnnxFixture,
                         ::testing::Values("features_9", "features_13", "features_18", "dense_17",
                                           "same_13"),
                         [](const auto& test) { return std::string(test.param); });

struct ZooCase {
  const char* model;
  std::int64_t side;
};

class OnnxRoundTrip : public ::testing::TestWithParam<ZooCase> {
 protected:
  [[nodiscard]] static Graph graph() {
    const Graph whole = testing::zoo_graph(GetParam().model, GetParam().side);
    return prune(whole, whole.output("logits"), "logits");
  }
};

TEST_P(OnnxRoundTrip, ExportAndImportGiveTheSameLogits) {
  Runner ours(graph());
  ours.draw();
  const Tensor x = random_image(ours.ctx, ours.graph);
  const std::vector<float> want = ours.run(x);
  const std::string bytes = export_model(ours.ctx, ours.graph, ours.params);
  const Imported imported = import_model(bytes, "x.onnx");
  EXPECT_EQ(imported.opset, 17);
  Runner theirs(imported.graph);
  theirs.take(imported.weights);
  EXPECT_LT(difference(theirs.run(x), want), 1e-6);
}

TEST_P(OnnxRoundTrip, JsonHoldsTheWholeGraph) {
  const Graph g = graph();
  const Graph back = graph_from_json(parse_json(to_json(g).dump(), "x"), "x");
  ASSERT_EQ(back.nodes().size(), g.nodes().size());
  for (std::size_t i = 0; i < g.nodes().size(); ++i) {
    const Node &a = g.nodes()[i], &b = back.nodes()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.inputs, b.inputs);
    EXPECT_EQ(a.shape, b.shape);
    if (a.layer == nullptr) continue;
    EXPECT_EQ(a.layer->attributes(), b.layer->attributes());
  }
  EXPECT_EQ(back.output("logits"), g.output("logits"));
}

INSTANTIATE_TEST_SUITE_P(Zoo, OnnxRoundTrip,
                         ::testing::Values(ZooCase{"small_cnn", 32}, ZooCase{"resnet8", 32},
                                           ZooCase{"resnet18:stem=imagenet", 64},
                                           ZooCase{"mobilenet_v1:alpha=0.25,stem=imagenet", 64},
                                           ZooCase{"mobilenet_v2:width=0.35", 32},
                                           ZooCase{"densenet-bc-22-12", 32},
                                           ZooCase{"squeezenet1_1", 64},
                                           ZooCase{"inception_v3", 75}),
                         [](const auto& test) { return testing::test_name(test.param.model); });

TEST(OnnxImport, ListsEveryNodeThatItCannotTake) {
  FileBuilder file;
  file.input("x", {1, 3, 8, 8});
  file.node("HardSwish", {"x"}, {"a"}, "first");
  file.node("Relu", {"a"}, {"b"}, "fine");
  file.node("QLinearConv", {"x", "s"}, {"c"}, "second");
  file.node("Transpose", {"x"}, {"d"}, "third");
  file.node("Relu", {"x"}, {"e"}, "also_fine");
  file.output("b");
  EXPECT_TRUE(fails_with(Errc::kModel,
                         {"3 of 5 nodes", "first (HardSwish, opset 17)",
                          "second (QLinearConv, opset 17): 8-bit arithmetic", "third (Transpose"},
                         [&] { (void)import_model(file.bytes(), "x.onnx"); }));
}

TEST(OnnxImport, SaysWhatTrainingModeIs) {
  FileBuilder file;
  file.input("x", {1, 3, 4, 4});
  for (const char* name : {"g", "b", "m", "v"}) file.weight(name, {3});
  file.node("BatchNormalization", {"x", "g", "b", "m", "v"}, {"y"}, "bn", {{"training_mode", 1}});
  file.output("y");
  EXPECT_TRUE(fails_with(Errc::kModel, {"bn (BatchNormalization", "eval()"},
                         [&] { (void)import_model(file.bytes(), "x.onnx"); }));
}

TEST(OnnxImport, AnOpenSizeNeedsTheOption) {
  FileBuilder file;
  file.input("x", {1, 3, -1, -1});
  file.node("GlobalAveragePool", {"x"}, {"y"}, "pool");
  file.output("y");
  EXPECT_TRUE(
      fails_with(Errc::kModel, {"--size"}, [&] { (void)import_model(file.bytes(), "x.onnx"); }));
  const Imported imported = import_model(file.bytes(), "x.onnx", {.size = 16});
  EXPECT_EQ(imported.graph.node(0).shape, (Shape{1, 16, 16, 3}));
}

TEST(OnnxImport, OpsetsOutsideTheRangeAreNamed) {
  for (const int opset : {8, 22}) {
    FileBuilder file(opset);
    file.input("x", {1, 3, 4, 4});
    file.node("GlobalAveragePool", {"x"}, {"y"}, "pool");
    file.output("y");
    EXPECT_TRUE(
        fails_with(Errc::kModel, {"9 to 21"}, [&] { (void)import_model(file.bytes(), "x.onnx"); }));
  }
}

TEST(OnnxExport, ListsWhatHasNoCounterpart) {
  const Graph whole = testing::zoo_graph("resnet8", 32, Norm::kGroup);
  Runner runner(prune(whole, whole.output("logits"), "logits"));
  EXPECT_TRUE(fails_with(Errc::kUnsupported, {"bn1 (GroupNorm)", "layer3.0.bn2 (GroupNorm)"},
                         [&] { (void)export_model(runner.ctx, runner.graph, runner.params); }));
}

TEST(OnnxExport, OpsetIsChecked) {
  const Graph whole = testing::zoo_graph("small_cnn", 32);
  Runner runner(prune(whole, whole.output("logits"), "logits"));
  EXPECT_TRUE(fails_with(Errc::kUsage, {"13 to 21"}, [&] {
    (void)export_model(runner.ctx, runner.graph, runner.params, {.opset = 12});
  }));
}

}  // namespace
}  // namespace graft::onnx
