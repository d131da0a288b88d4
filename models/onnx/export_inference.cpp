// SPDX-License-Identifier: Apache-2.0
// Fused and 8-bit layers. An 8-bit value becomes QuantizeLinear and DequantizeLinear behind the f32
// operator that makes it, 8-bit weights a constant behind DequantizeLinear: what ONNX Runtime fuses
// into its 8-bit operators. It does so only between values of one type, so all are u8, those that
// may be negative with zero point 128. A convolution is only fused if 8 bits follow it: what meets
// a residual gets a pair of its own (graft adds before it rounds), one before an f32 layer stays
// f32.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "layers/infer/fused.h"
#include "layers/infer/int8.h"
#include "models/onnx/detail/exporter.h"

namespace graft::onnx::detail {
namespace {

constexpr int kMost = 255;  // of u8

/// The u8 that stands for 0 in the value of a node.
std::uint8_t zero_point(const Node& n) { return n.dtype == DType::kI8 ? 128 : 0; }

Shape filter_shape(const ParamStore& params, const Node& n) {
  return params.entry(params.find(n.name + ".weight")).spec.shape;
}

/// ONNX Runtime turns the bias into 32-bit steps of x_scale * `scale`. Where these are too small
/// for it, or, in a filter of zeros, say nothing, the filter gets other ones. Returns their scale.
float settled_scale(std::span<float> filter, float scale, float bias, float x_scale) {
  constexpr double kMostSteps = 1 << 30;  // as much again is left for the sums
  constexpr float kLeast = 1e-20F;
  const bool zeros = std::all_of(filter.begin(), filter.end(), [](float w) { return w == 0; });
  const auto needed =
      static_cast<float>(std::fabs(static_cast<double>(bias)) / kMostSteps / x_scale);
  if (!zeros && needed <= scale) return scale;
  const float settled = std::max(needed, kLeast);
  for (float& w : filter) w = std::nearbyint(w * scale / settled);
  return settled;
}

}  // namespace

std::vector<float> Exporter::elements(const std::string& name,
                                      std::vector<std::int64_t>& dims) const {
  const ParamStore::Entry& e = params_.entry(params_.find(name));
  ParamSpec spec = e.spec;
  // Inference forms do not say so.
  if (spec.shape.rank() == 4) spec.order = ParamOrder::kFilterOhwi;
  Tensor value = e.value;
  if (value.dtype() == DType::kI8) {
    value = Tensor::allocate(ctx_.memory(), spec.shape);
    const auto* from = e.value.ptr<const std::int8_t>();
    std::copy_n(from, value.numel(), value.ptr<float>());
  }
  Shape shape;
  std::vector<float> values = to_archive_order(ctx_, spec, value, shape);
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return values;
}

float Exporter::scalar(const std::string& name) const {
  std::vector<std::int64_t> dims;
  return elements(name, dims)[0];
}

bool Exporter::inference_layer(const Node& n) {
  const std::string_view kind = n.layer->kind();
  if (kind == "FusedConv2d") {
    const auto& layer = static_cast<const FusedConv2d&>(*n.layer);
    const Shape w = filter_shape(params_, n);
    conv(n, {layer.options(), w[1], w[2], layer.activation(), layer.has_residual()},
         {weight(n, "weight"), weight(n, "bias")});
  } else if (kind == "Int8Conv2d") {
    const auto& layer = static_cast<const Int8Conv2d&>(*n.layer);
    const Shape w = filter_shape(params_, n);
    const auto& o = layer.options();
    conv(n, {o.conv, w[1], w[2], o.activation, layer.has_residual()}, quantised_parts(n));
  } else if (kind == "ScaleShift") {
    scale_shift(n, static_cast<const ScaleShift&>(*n.layer).activation());
  } else if (kind == "Int8ScaleShift") {
    scale_shift(n, static_cast<const Int8ScaleShift&>(*n.layer).activation());
  } else if (kind == "Int8Linear") {
    gemm(n, quantised_parts(n));
  } else if (kind == "Int8MaxPool2d") {
    pool(n, "MaxPool", static_cast<const Int8Pool2d&>(*n.layer).options(), false);
  } else if (kind == "Int8AvgPool2d") {
    pool(n, "AveragePool", static_cast<const Int8Pool2d&>(*n.layer).options(), true);
  } else if (kind == "Int8GlobalAvgPool") {
    global_pool(n);
  } else if (kind == "Quantise" || kind == "Dequantise") {
    values_.push_back(value_name(n.inputs[0]));
  } else {
    return false;
  }
  return true;
}

void Exporter::scale_shift(const Node& n, Activation act) {
  std::vector<std::string> parts = {weight(n, "scale"), weight(n, "shift"), n.name + ".mean",
                                    n.name + ".var"};
  const std::array channels = {n.shape[n.shape.rank() - 1]};
  for (const std::size_t i : {2u, 3u}) {
    const std::vector<float> same(static_cast<std::size_t>(channels[0]), i == 2 ? 0.0F : 1.0F);
    tensor(parts[i], channels, same);
  }
  NodeWriter w("BatchNormalization", n.name);
  emit(n, w.set("epsilon", 0.0F), parts, act);
}

std::vector<std::string> Exporter::quantised_parts(const Node& n) {
  std::vector<std::int64_t> dims, channels;
  std::vector<float> weights = elements(n.name + ".weight", dims);
  std::vector<float> scales = elements(n.name + ".w_scale", channels);
  const std::vector<float> bias = elements(n.name + ".bias", channels);
  const std::size_t row = weights.size() / scales.size();
  for (std::size_t k = 0; k < scales.size(); ++k) {
    const std::span filter(weights.data() + k * row, row);
    scales[k] =
        settled_scale(filter, scales[k], bias[k], scales_[static_cast<std::size_t>(n.inputs[0])]);
  }
  const std::vector<std::int8_t> steps(weights.begin(), weights.end());
  return {dequantised(n.name + ".weight", dims, steps, scales), weight(n, "bias")};
}

std::string Exporter::dequantised(const std::string& name, std::span<const std::int64_t> dims,
                                  std::span<const std::int8_t> steps,
                                  std::span<const float> scales) {
  const std::array inputs = {name + "_quantized", name + "_scale", name + "_zero_point"};
  const std::array channels = {static_cast<std::int64_t>(scales.size())};
  const std::vector<std::int8_t> zeros(scales.size());
  tensor(inputs[0], ElementType::kInt8, dims, steps);
  tensor(inputs[1], channels, scales);
  tensor(inputs[2], ElementType::kInt8, channels, std::span<const std::int8_t>(zeros));
  NodeWriter w("DequantizeLinear", name + ".dequantise");
  w.inputs(inputs).output(name).set("axis", std::int64_t{0});
  graph_.message(1, w.message());
  return name;
}

std::string Exporter::scale_conflict(const Node& n) const {
  for (std::size_t i = 0; i < n.inputs.size(); ++i) {
    if (source_.node(n.inputs[i]).dtype == DType::kF32) continue;
    const std::string taken = n.name + (i == 0 ? ".x_scale" : ".residual_scale");
    const float scale = scales_[static_cast<std::size_t>(n.inputs[i])];
    const float expected = params_.find(taken) >= 0 ? scalar(taken) : scale_of(n);
    if (scale != expected) return "takes an 8-bit input for one of another scale";
  }
  return "";
}

float Exporter::scale_of(const Node& n) const {
  if (n.dtype == DType::kF32) return 1;
  const std::string own = n.name + ".y_scale";
  return params_.find(own) >= 0 ? scalar(own) : scales_[static_cast<std::size_t>(n.inputs[0])];
}

void Exporter::quantise(const Node& n) {
  values_.back() = quantised(values_.back(), n.name, {scales_.back(), zero_point(n)});
}

std::string Exporter::quantised_term(const Node& n, const std::string& sum) {
  const Node& other = source_.node(n.inputs[1]);
  if (n.dtype == DType::kF32 || other.dtype == DType::kF32) return sum;
  const auto bounds = [](float scale, int zero) {
    return std::pair{scale * static_cast<float>(-zero), scale * static_cast<float>(kMost - zero)};
  };
  const auto [y_least, y_most] = bounds(scale_of(n), zero_point(n));
  const auto [r_least, r_most] =
      bounds(scales_[static_cast<std::size_t>(n.inputs[1])], zero_point(other));
  const float least = y_least - r_most, most = y_most - r_least, scale = (most - least) / kMost;
  return quantised(sum, sum, {scale, static_cast<std::uint8_t>(std::lround(-least / scale))});
}

std::string Exporter::quantised(const std::string& from, const std::string& name,
                                const Steps& steps) {
  const std::array on = {name + ".y_scale", "zero_point." + std::to_string(steps.zero)};
  const std::string quantised = name + ".quantised", result = name + ".dequantised";
  tensor(on[0], {}, {&steps.scale, 1});
  if (zero_points_.insert(steps.zero).second) {
    tensor<std::uint8_t>(on[1], ElementType::kUint8, {}, {&steps.zero, 1});
  }
  const std::array taken = {from, on[0], on[1]}, given = {quantised, on[0], on[1]};
  NodeWriter q("QuantizeLinear", name + ".quantise");
  graph_.message(1, q.inputs(taken).output(quantised).message());
  NodeWriter d("DequantizeLinear", name + ".dequantise");
  graph_.message(1, d.inputs(given).output(result).message());
  return result;
}

}  // namespace graft::onnx::detail
