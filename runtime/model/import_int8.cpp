// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/import_int8.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "graph/plan/int8.h"
#include "runtime/model/quantize.h"

namespace graft {
namespace {

using StepsByNode = std::map<std::string, onnx::Steps>;

/// Steps of the values of `inference` from those of the graph it was made of, where several nodes
/// may have become one: its value is the last one's.
StepsByNode carried_over(const StepsByNode& steps, const Graph& graph, const Graph& inference) {
  std::vector<ValueId> into;  // by node of `graph`
  StepsByNode carried;
  for (const Node& n : graph.nodes()) {
    ValueId id = inference.find(n.name);
    if (id == kNoValue && !n.inputs.empty()) {
      id = into[static_cast<std::size_t>(n.inputs[0])];
      if (n.inputs.size() == 2 && id != kNoValue) {
        // A sum went into the operand that has the other as its residual.
        const ValueId other = into[static_cast<std::size_t>(n.inputs[1])];
        const auto& inputs = inference.node(id).inputs;
        if (inputs.size() != 2 || inputs[1] != other) id = other;
      }
    }
    into.push_back(id);
    const bool passes = n.kind == NodeKind::kLayer && n.layer->is_identity();
    if (id == kNoValue || passes) continue;
    const auto found = steps.find(n.name);
    carried[inference.node(id).name] = found == steps.end() ? onnx::Steps{} : found->second;
  }
  return carried;
}

/// Whether every filter of (K, ...) is steps of its largest / 127.
bool is_stepped(const Tensor& w) {
  constexpr float kMost = 127, kTolerance = 1e-3F;
  const std::int64_t row = w.shape().row_numel();
  for (std::int64_t k = 0; k < w.shape()[0]; ++k) {
    const std::span filter(w.ptr<const float>() + k * row, static_cast<std::size_t>(row));
    float largest = 0;
    for (const float v : filter) largest = std::max(largest, std::fabs(v));
    for (const float v : filter) {
      const float q = largest > 0 ? v * kMost / largest : 0;
      if (std::fabs(q - std::nearbyint(q)) > kTolerance) return false;
    }
  }
  return true;
}

/// The one scale of `value`; 0 if its nodes have none or not one, or one from another zero.
float scale_of(const Int8Graph::Value& value, const StepsByNode& steps) {
  constexpr float kMostU8 = 255;
  constexpr int kSignedZero = 128;
  const onnx::Steps& first = steps.at(value.nodes.front());
  const bool one = std::all_of(value.nodes.begin(), value.nodes.end(),
                               [&](const std::string& node) { return steps.at(node) == first; });
  return one && first.zero == (value.levels == kMostU8 ? 0 : kSignedZero) ? first.scale : 0;
}

/// Whether what 8-bit layers read and write has a scale, and the inputs that of `steps`. Scales
/// that nobody reads become 1.
bool settle_scales(Model& int8, const StepsByNode& steps) {
  ParamStore& params = int8.params();
  const Graph& graph = int8.inference_graph();
  const auto settled = [&](const std::string& param, const Node& value, bool is_input) {
    const ParamId id = params.find(param);
    if (id < 0) return true;
    float& scale = *params.entry(id).value.ptr<float>();
    if (value.dtype != DType::kF32) {
      const auto found = steps.find(value.name);  // not there for the twin of a floating value
      return scale > 0 && (!is_input || found == steps.end() || found->second.scale == scale);
    }
    if (scale <= 0) scale = 1;
    return true;
  };
  return std::all_of(graph.nodes().begin(), graph.nodes().end(), [&](const Node& n) {
    if (!settled(n.name + ".y_scale", n, false)) return false;
    if (n.inputs.size() < 2 && params.find(n.name + ".residual_scale") >= 0) {
      *params.entry(params.find(n.name + ".residual_scale")).value.ptr<float>() = 1;
    }
    for (std::size_t i = 0; i < n.inputs.size(); ++i) {
      const std::string part = i == 0 ? ".x_scale" : ".residual_scale";
      if (!settled(n.name + part, graph.node(n.inputs[i]), true)) return false;
    }
    return true;
  });
}

}  // namespace

std::optional<Model> int8_of_steps(Context& ctx, Model& model, const FileSteps& file) {
  if (!model.header().folds) return std::nullopt;
  InferenceNet& net = model.inference_net();
  net.follow();
  const StepsByNode steps = carried_over(file.values, model.header().graph, net.graph());
  const std::vector<std::string> layers = int8_layers(net.graph());
  std::vector<std::string> floating;
  for (const std::string& name : layers) {
    const Node& n = net.graph().node(net.graph().find(name));
    const bool in_file =
        file.layers.contains(name) && steps.at(net.graph().node(n.inputs[0]).name).scale > 0;
    const Tensor& w = net.params().entry(net.params().find(name + ".weight")).value;
    if (!in_file || !is_stepped(w)) floating.push_back(name);
  }
  if (floating.size() == layers.size()) return std::nullopt;
  Model int8 = make_int8(
      ctx, model,
      {.method = "file", .floating = std::move(floating), .calibration = "steps of the ONNX file"},
      [&](const Int8Graph::Value& value) { return scale_of(value, steps); });
  if (!settle_scales(int8, steps)) return std::nullopt;
  int8.params().bump_version();
  return int8;
}

}  // namespace graft
