// SPDX-License-Identifier: Apache-2.0
// QuantizeLinear and DequantizeLinear of an imported file.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "models/onnx/import.h"
#include "tests/support/fails_with.h"
#include "tests/unit/graph/net.h"
#include "tests/unit/onnx/onnx_file.h"

namespace graft::onnx {
namespace {

using testing::count_of;
using testing::fails_with;
using testing::FileBuilder;

enum Type : std::int64_t { kFloat = 1, kU8 = 2, kI8 = 3, kI32 = 6 };

template <class T>
std::string raw(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// Adds `name` = scale and `name`.zero, then QuantizeLinear and DequantizeLinear of `x`.
void add_pair(FileBuilder& f, const std::string& x, float scale, int zero, Type type) {
  f.raw_weight(x + ".scale", {}, kFloat, raw<float>({scale}));
  f.raw_weight(x + ".zero", {}, type,
               type == kI8 ? raw<std::int8_t>({static_cast<std::int8_t>(zero)})
                           : raw<std::uint8_t>({static_cast<std::uint8_t>(zero)}));
  f.node("QuantizeLinear", {x, x + ".scale", x + ".zero"}, {x + ".q"}, x + "_q");
  f.node("DequantizeLinear", {x + ".q", x + ".scale", x + ".zero"}, {x + ".dq"}, x + "_dq");
}

/// 1x1 convolution to two channels with 8-bit weights, one scale a channel, and a 32-bit bias;
/// pooled; `after` says how what the convolution makes is quantised.
std::string small_file(float scale, int zero, Type type) {
  FileBuilder f;
  f.input("x", {1, 3, 4, 4});
  f.output("y");
  add_pair(f, "x", 0.02F, 128, kU8);
  f.raw_weight("conv.weight_quantized", {2, 3, 1, 1}, kI8,
               raw<std::int8_t>({1, -2, 127, -127, 5, 0}));
  f.raw_weight("w.scale", {2}, kFloat, raw<float>({0.5F, 0.25F}));
  f.raw_weight("w.zero", {2}, kI8, raw<std::int8_t>({0, 0}));
  f.node("DequantizeLinear", {"conv.weight_quantized", "w.scale", "w.zero"}, {"w"}, "w_dq",
         {{.name = "axis", .i = 0}});
  f.raw_weight("b_q", {2}, kI32, raw<std::int32_t>({1000, -3}));
  f.raw_weight("b.scale", {2}, kFloat, raw<float>({0.01F, 0.1F}));
  f.node("DequantizeLinear", {"b_q", "b.scale"}, {"b"}, "b_dq", {{.name = "axis", .i = 0}});
  f.node("Conv", {"x.dq", "w", "b"}, {"c"}, "conv");
  add_pair(f, "c", scale, zero, type);
  f.node("GlobalAveragePool", {"c.dq"}, {"p"}, "pool");
  f.node("Flatten", {"p"}, {"y"}, "flat");
  return f.bytes();
}

TEST(OnnxQuantized, WeightsAreScaleTimesSteps) {
  const Imported m = import_model(small_file(0.1F, 100, kU8), "m.onnx");
  EXPECT_EQ(m.weights.at("conv.weight"), (std::vector<float>{0.5F, -1, 63.5F, -31.75F, 1.25F, 0}));
  EXPECT_EQ(m.weights.at("conv.bias"), (std::vector<float>{1000 * 0.01F, -3 * 0.1F}));
  EXPECT_EQ(count_of(m.graph, "Activation"), 0u);
  EXPECT_EQ(count_of(m.graph, "Conv2d"), 1u);
  EXPECT_EQ(m.quantised, 4);
}

TEST(OnnxQuantized, ARangeFromZeroIsTheReluThatTheExporterDropped) {
  for (const auto& [type, zero] : {std::pair{kU8, 0}, {kI8, -128}}) {
    const Imported m = import_model(small_file(0.1F, zero, type), "m.onnx");
    ASSERT_EQ(count_of(m.graph, "Activation"), 1u);
    for (const Node& n : m.graph.nodes()) {
      if (n.layer && n.layer->kind() == "Activation") {
        EXPECT_EQ(n.layer->as_activation(), Activation::kRelu);
      }
    }
  }
  const Imported six = import_model(small_file(6.0F / 255, 0, kU8), "m.onnx");
  for (const Node& n : six.graph.nodes()) {
    if (n.layer && n.layer->kind() == "Activation") {
      EXPECT_EQ(n.layer->as_activation(), Activation::kRelu6);
    }
  }
}

TEST(OnnxQuantized, FloatWeightsBehindAPairAreRoundedToTheirSteps) {
  FileBuilder f;
  f.input("x", {1, 3, 2, 2});
  f.output("y");
  f.raw_weight("w", {1, 3, 1, 1}, kFloat, raw<float>({0.26F, -0.24F, 90}));
  add_pair(f, "w", 0.5F, 0, kI8);
  f.node("Conv", {"x", "w.dq"}, {"c"}, "conv");
  f.node("GlobalAveragePool", {"c"}, {"p"}, "pool");
  f.node("Flatten", {"p"}, {"y"}, "flat");
  const Imported m = import_model(f.bytes(), "m.onnx");
  EXPECT_EQ(m.weights.at("conv.weight"), (std::vector<float>{0.5F, 0, 63.5F}));
}

TEST(OnnxQuantized, WhatCannotBeImportedIsListedAtOnce) {
  FileBuilder f;
  f.input("x", {1, 3, 4, 4});
  f.output("y");
  f.raw_weight("s", {}, kFloat, raw<float>({0.1F}));
  f.raw_weight("three", {3}, kFloat, raw<float>({0.1F, 0.2F, 0.3F}));
  f.raw_weight("minus", {}, kFloat, raw<float>({-0.1F}));
  f.raw_weight("wide", {}, 5, raw<std::int16_t>({0}));
  f.raw_weight("w", {1, 3, 1, 1}, kI8, raw<std::int8_t>({1, 2, 3}));
  f.node("QuantizeLinear", {"x", "s", "wide"}, {"a"}, "to_16_bits");
  f.node("QuantizeLinear", {"x", "three"}, {"b"}, "per_channel");
  f.node("QuantizeLinear", {"x", "minus"}, {"c"}, "negative");
  f.node("DequantizeLinear", {"x", "s"}, {"d"}, "of_floats");
  f.node("QuantizeLinear", {"x", "s"}, {"q"}, "fine");
  f.node("MaxPool", {"q"}, {"e"}, "on_bytes",
         {{.name = "kernel_shape", .ints = {2, 2}}, {.name = "strides", .ints = {2, 2}}});
  f.node("QLinearConv", {"q", "s", "s", "w", "s", "s", "s", "s"}, {"y"}, "operator_form");
  EXPECT_TRUE(fails_with(
      Errc::kModel,
      {"6 of 7 nodes", "to_16_bits (QuantizeLinear, opset 17): quantises to element type 5",
       "per_channel", "negative", "a scale is -0.1", "of_floats", "on_bytes",
       "only DequantizeLinear may follow", "operator_form", "QDQ"},
      [&] { (void)import_model(f.bytes(), "m.onnx"); }));
}

TEST(OnnxQuantized, ComputedWeightsAreLimitedByTheFile) {
  FileBuilder f;
  f.input("x", {1, 3, 4, 4});
  f.output("y");
  f.raw_weight("s", {}, kFloat, raw<float>({0.1F}));
  f.raw_weight("w", {1, 64, 100, 100}, kI8, std::string(640'000, '\1'));
  for (int i = 0; i < 100; ++i) {
    f.node("DequantizeLinear", {"w", "s"}, {"w" + std::to_string(i)}, "n" + std::to_string(i));
  }
  EXPECT_TRUE(fails_with(Errc::kModel, {"far more weights"},
                         [&] { (void)import_model(f.bytes(), "m.onnx"); }));
}

TEST(OnnxQuantized, ALongChainDoesNotExhaustTheStack) {
  FileBuilder f;
  f.input("x", {1, 3, 4, 4});
  f.output("y");
  f.raw_weight("s", {}, kFloat, raw<float>({0.1F}));
  std::string last = "x";
  for (int i = 0; i < 20'000; ++i) {
    const std::string q = "q" + std::to_string(i), d = "d" + std::to_string(i);
    f.node("QuantizeLinear", {last, "s"}, {q}, q);
    f.node("DequantizeLinear", {q, "s"}, {d}, d);
    last = d;
  }
  f.node("GlobalAveragePool", {last}, {"p"}, "pool");
  f.node("Flatten", {"p"}, {"y"}, "flat");
  EXPECT_EQ(count_of(import_model(f.bytes(), "m.onnx").graph, "Activation"), 1u);
}

}  // namespace
}  // namespace graft::onnx
