// SPDX-License-Identifier: Apache-2.0
#include "models/onnx/export.h"

#include <array>
#include <utility>

#include "layers/nn/conv2d.h"
#include "layers/nn/linear.h"
#include "layers/nn/norm.h"
#include "layers/nn/pointwise.h"
#include "layers/nn/pool.h"
#include "models/onnx/detail/exporter.h"

namespace graft::onnx {
namespace detail {
namespace {

constexpr int kOldest = 13, kNewest = 21;

/// First IR version that has opset kOldest + index. Source: onnx/docs/Versioning.md.
constexpr std::array<int, kNewest - kOldest + 1> kIrVersion = {7, 7, 8, 8, 8, 8, 9, 9, 10};

}  // namespace

std::string Exporter::run(const ExportOptions& options) {
  if (options.opset < kOldest || options.opset > kNewest) {
    fail(Errc::kUsage, "opset ", options.opset, "; ", kOldest, " to ", kNewest, " are written");
  }
  for (std::size_t i = 0; i < source_.nodes().size(); ++i) node(static_cast<ValueId>(i));
  if (!problems_.empty()) {
    fail(Errc::kUnsupported, "these nodes have no counterpart in ONNX:", problems_);
  }
  for (const auto& o : source_.outputs()) output(o);
  graph_.bytes(2, "graft");
  WireWriter opset;
  opset.bytes(1, "");
  opset.integer(2, options.opset);
  WireWriter model;
  model.integer(1, kIrVersion[static_cast<std::size_t>(options.opset - kOldest)]);
  model.bytes(2, "graft");
  model.message(7, graph_);
  model.message(8, opset);
  return model.take();
}

std::string Exporter::weight(const Node& n, const std::string& part) {
  const std::string name = n.name + "." + part;
  std::vector<std::int64_t> dims;
  const std::vector<float> values = elements(name, dims);
  tensor(name, dims, values);
  return name;
}

void Exporter::value_info(std::uint32_t field, const std::string& name, const Shape& nhwc) {
  const auto extent = [](std::int64_t n) {
    WireWriter d;
    d.integer(1, n);
    return d;
  };
  WireWriter shape, batch, tensor_type, type, info;
  batch.bytes(2, "N");
  shape.message(1, batch);
  if (nhwc.rank() == 4) shape.message(1, extent(nhwc[3]));
  for (int i = 1; i < std::min(nhwc.rank(), 3); ++i) shape.message(1, extent(nhwc[i]));
  tensor_type.integer(1, static_cast<std::int64_t>(ElementType::kFloat));
  tensor_type.message(2, shape);
  type.message(1, tensor_type);
  info.bytes(1, name);
  info.message(2, type);
  graph_.message(field, info);
}

void Exporter::output(const Graph::Output& o) {
  NodeWriter identity("Identity", "output." + o.name);
  const std::string from = value_name(o.value);
  graph_.message(1, identity.inputs({&from, 1}).output(o.name).message());
  value_info(12, o.name, source_.node(o.value).shape);
}

void Exporter::emit(const Node& n, NodeWriter& writer, const std::vector<std::string>& parts,
                    Activation act) {
  std::vector<std::string> inputs;
  for (const ValueId in : n.inputs) inputs.push_back(value_name(in));
  inputs.insert(inputs.end(), parts.begin(), parts.end());
  finish(n, writer.inputs(inputs), act);
}

void Exporter::finish(const Node& n, NodeWriter& writer, Activation act) {
  const std::string made = act == Activation::kNone ? n.name : n.name + ".linear";
  graph_.message(1, writer.output(made).message());
  if (act != Activation::kNone) activate(n.name + ".act", made, n.name, act);
  values_.push_back(n.name);
}

void Exporter::activate(const std::string& node, const std::string& from, const std::string& to,
                        Activation act) {
  constexpr float kLow = 0, kHigh = 6;
  std::vector<std::string> inputs = {from};
  if (act == Activation::kRelu6) {
    inputs.insert(inputs.end(), {"relu6.low", "relu6.high"});
    if (!has_bounds_) {
      tensor("relu6.low", {}, {&kLow, 1});
      tensor("relu6.high", {}, {&kHigh, 1});
      has_bounds_ = true;
    }
  }
  NodeWriter w(act == Activation::kRelu6 ? "Clip" : "Relu", node);
  graph_.message(1, w.inputs(inputs).output(to).message());
}

void Exporter::written_conv(const Node& n) {
  const auto& layer = static_cast<const Conv2d&>(*n.layer);
  const auto& o = layer.options();
  std::vector<std::string> parts = {weight(n, "weight")};
  if (o.bias) parts.push_back(weight(n, "bias"));
  conv(n, {.options = layer.geometry(), .kernel_h = o.kernel, .kernel_w = o.kernel_w}, parts);
}

void Exporter::conv(const Node& n, const Conv& c, const std::vector<std::string>& parts) {
  const kernels::ConvOptions& g = c.options;
  NodeWriter w("Conv", n.name);
  w.set("kernel_shape", {c.kernel_h, c.kernel_w}).set("strides", {g.stride, g.stride});
  w.set("pads", {g.pad_top, g.pad_left, g.pad_bottom, g.pad_right});
  w.set("dilations", {g.dilation, g.dilation}).set("group", std::int64_t{g.groups});
  if (!c.has_residual) return emit(n, w, parts, c.activation);
  std::vector<std::string> inputs = {value_name(n.inputs[0])};
  inputs.insert(inputs.end(), parts.begin(), parts.end());
  const std::string term = n.name + ".conv";
  graph_.message(1, w.inputs(inputs).output(term).message());
  const std::array terms = {quantised_term(n, term), value_name(n.inputs[1])};
  NodeWriter sum("Add", n.name + ".add");
  finish(n, sum.inputs(terms), c.activation);
}

void Exporter::batch_norm(const Node& n) {
  const auto& layer = static_cast<const BatchNorm2d&>(*n.layer);
  if (layer.has_residual() || layer.options().activation != Activation::kNone) {
    return refuse(n, "is fused");
  }
  std::vector<std::string> parts;
  for (const char* part : {"weight", "bias", "running_mean", "running_var"}) {
    parts.push_back(weight(n, part));
  }
  NodeWriter w("BatchNormalization", n.name);
  emit(n, w.set("epsilon", static_cast<float>(layer.options().eps)), parts);
}

void Exporter::pool(const Node& n, const char* op, const kernels::PoolOptions& o, bool average) {
  NodeWriter w(op, n.name);
  w.set("kernel_shape", {o.window, o.window}).set("strides", {o.stride, o.stride});
  w.set("pads", {o.pad, o.pad, o.trailing_pad(), o.trailing_pad()});
  w.set("ceil_mode", std::int64_t{o.ceil_mode});
  if (average) w.set("count_include_pad", std::int64_t{o.count_include_pad});
  emit(n, w);
}

void Exporter::global_pool(const Node& n) {
  NodeWriter pool("GlobalAveragePool", n.name + ".pool");
  const std::string from = value_name(n.inputs[0]), pooled = n.name + ".pooled";
  graph_.message(1, pool.inputs({&from, 1}).output(pooled).message());
  NodeWriter flatten("Flatten", n.name);
  flatten.inputs({&pooled, 1}).set("axis", std::int64_t{1});
  finish(n, flatten);
}

void Exporter::gemm(const Node& n, const std::vector<std::string>& parts) {
  NodeWriter w("Gemm", n.name);
  emit(n, w.set("transB", std::int64_t{1}), parts);
}

void Exporter::linear(const Node& n) {
  std::vector<std::string> parts = {weight(n, "weight")};
  if (static_cast<const Linear&>(*n.layer).has_bias()) parts.push_back(weight(n, "bias"));
  gemm(n, parts);
}

void Exporter::subsample(const Node& n) {
  const auto& layer = static_cast<const SubsamplePad&>(*n.layer);
  const std::int64_t in = source_.node(n.inputs[0]).shape[3], out = layer.out_channels();
  const std::array dims = {out, in, std::int64_t{1}, std::int64_t{1}};
  std::vector<std::int8_t> copies(static_cast<std::size_t>(in * out));
  for (std::int64_t c = 0; c < in; ++c) {
    copies[static_cast<std::size_t>(((out - in) / 2 + c) * in + c)] = 1;
  }
  const std::string name = n.name + ".weight";
  if (n.dtype == DType::kF32) {
    tensor(name, dims, std::vector<float>(copies.begin(), copies.end()));
  } else {
    const std::vector<float> ones(static_cast<std::size_t>(out), 1);
    dequantised(name, dims, copies, ones);
  }
  NodeWriter w("Conv", n.name);
  emit(n, w.set("kernel_shape", {1, 1}).set("strides", {layer.stride(), layer.stride()}), {name});
}

void Exporter::refuse(const Node& n, std::string_view why) {
  problems_ += "\n  " + n.name + " (" + std::string(n.layer->kind()) + ") " + std::string(why);
  values_.push_back(n.name);
}

void Exporter::node(ValueId id) {
  const Node& n = source_.node(id);
  if (n.kind == NodeKind::kInput) {
    value_info(11, n.name, n.shape);
    values_.push_back(n.name);
  } else if (n.layer == nullptr || n.layer->kind() == "Dropout") {  // identities
    values_.push_back(value_name(n.inputs[0]));
  } else if (const std::string why = scale_conflict(n); !why.empty()) {
    refuse(n, why);
  } else {
    layer(n);
  }
  scales_.push_back(scale_of(n));
  if (n.dtype != DType::kF32) quantise(n);
}

void Exporter::layer(const Node& n) {
  const std::string_view kind = n.layer->kind();
  if (inference_layer(n)) return;
  if (kind == "Conv2d") return written_conv(n);
  if (kind == "BatchNorm2d") return batch_norm(n);
  if (kind == "GlobalAvgPool") return global_pool(n);
  if (kind == "Linear") return linear(n);
  if (kind == "SubsamplePad") return subsample(n);
  if (kind == "MaxPool2d") {
    return pool(n, "MaxPool", static_cast<const MaxPool2d&>(*n.layer).options(), false);
  }
  if (kind == "AvgPool2d") {
    return pool(n, "AveragePool", static_cast<const AvgPool2d&>(*n.layer).options(), true);
  }
  if (kind == "Activation") {
    activate(n.name, value_name(n.inputs[0]), n.name, n.layer->as_activation());
    values_.push_back(n.name);
    return;
  }
  if (kind == "Add") {
    NodeWriter w("Add", n.name);
    return emit(n, w, {}, static_cast<const Add&>(*n.layer).activation());
  }
  if (kind == "Concat") {
    NodeWriter w("Concat", n.name);
    return emit(n, w.set("axis", std::int64_t{1}));
  }
  refuse(n, "has no operator");
}

}  // namespace detail

std::string export_model(Context& ctx, const Graph& graph, const ParamStore& params,
                         const ExportOptions& options) {
  return detail::Exporter(ctx, graph, params).run(options);
}

}  // namespace graft::onnx
