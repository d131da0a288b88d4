// SPDX-License-Identifier: Apache-2.0
#include "models/onnx/export.h"

#include <array>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "layers/nn/conv2d.h"
#include "layers/nn/linear.h"
#include "layers/nn/norm.h"
#include "layers/nn/pointwise.h"
#include "layers/nn/pool.h"
#include "models/onnx/proto.h"
#include "models/onnx/wire.h"

namespace graft::onnx {
namespace {

constexpr int kOldest = 13, kNewest = 21;

/// First IR version that has opset kOldest + index. Source: onnx/docs/Versioning.md.
constexpr std::array<int, kNewest - kOldest + 1> kIrVersion = {7, 7, 8, 8, 8, 8, 9, 9, 10};

/// AttributeProto.AttributeType.
enum AttributeType : std::int64_t { kFloat = 1, kInt = 2, kInts = 7 };

WireWriter attribute(std::string_view name, AttributeType type) {
  WireWriter a;
  a.bytes(1, name);
  a.integer(20, type);
  return a;
}

/// One NodeProto.
class NodeWriter {
 public:
  NodeWriter(std::string_view op, const std::string& name) {
    node_.bytes(3, name);
    node_.bytes(4, op);
  }
  NodeWriter& inputs(std::span<const std::string> names) {
    for (const std::string& n : names) node_.bytes(1, n);
    return *this;
  }
  NodeWriter& output(const std::string& name) {
    node_.bytes(2, name);
    return *this;
  }
  NodeWriter& set(std::string_view name, std::int64_t value) {
    WireWriter a = attribute(name, kInt);
    a.integer(3, value);
    node_.message(5, a);
    return *this;
  }
  NodeWriter& set(std::string_view name, float value) {
    WireWriter a = attribute(name, kFloat);
    a.real(2, value);
    node_.message(5, a);
    return *this;
  }
  NodeWriter& set(std::string_view name, std::initializer_list<std::int64_t> values) {
    WireWriter a = attribute(name, kInts);
    for (const std::int64_t v : values) a.integer(8, v);
    node_.message(5, a);
    return *this;
  }
  [[nodiscard]] const WireWriter& message() const { return node_; }

 private:
  WireWriter node_;
};

class Exporter {
 public:
  Exporter(Context& ctx, const Graph& graph, const ParamStore& params)
      : ctx_(ctx), source_(graph), params_(params) {}

  std::string run(const ExportOptions& options) {
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

 private:
  [[nodiscard]] std::string value_name(ValueId id) const {
    return values_[static_cast<std::size_t>(id)];
  }

  void tensor(const std::string& name, std::span<const std::int64_t> dims,
              std::span<const float> elements) {
    WireWriter t;
    for (const std::int64_t d : dims) t.integer(1, d);
    t.integer(2, static_cast<std::int64_t>(ElementType::kFloat));
    t.bytes(8, name);
    t.bytes(9, {reinterpret_cast<const char*>(elements.data()), elements.size_bytes()});
    graph_.message(5, t);
  }

  /// Writes parameter `part` of node `n`; returns its name.
  std::string weight(const Node& n, const std::string& part) {
    const std::string name = n.name + "." + part;
    const ParamStore::Entry& e = params_.entry(params_.find(name));
    Shape shape;
    const std::vector<float> elements = to_archive_order(ctx_, e.spec, e.value, shape);
    std::vector<std::int64_t> dims;
    for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
    tensor(name, dims, elements);
    return name;
  }

  void value_info(std::uint32_t field, const std::string& name, const Shape& nhwc) {
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

  void output(const Graph::Output& o) {
    NodeWriter identity("Identity", "output." + o.name);
    const std::string from = value_name(o.value);
    graph_.message(1, identity.inputs({&from, 1}).output(o.name).message());
    value_info(12, o.name, source_.node(o.value).shape);
  }

  void emit(const Node& n, NodeWriter& writer, const std::vector<std::string>& parts = {}) {
    std::vector<std::string> inputs;
    for (const ValueId in : n.inputs) inputs.push_back(value_name(in));
    inputs.insert(inputs.end(), parts.begin(), parts.end());
    writer.inputs(inputs).output(n.name);
    graph_.message(1, writer.message());
    values_.push_back(n.name);
  }

  void conv(const Node& n) {
    const auto& layer = static_cast<const Conv2d&>(*n.layer);
    const auto& o = layer.options();
    const auto& g = layer.geometry();
    std::vector<std::string> parts = {weight(n, "weight")};
    if (o.bias) parts.push_back(weight(n, "bias"));
    NodeWriter w("Conv", n.name);
    w.set("kernel_shape", {o.kernel, o.kernel_w}).set("strides", {g.stride, g.stride});
    w.set("pads", {g.pad_top, g.pad_left, g.pad_bottom, g.pad_right});
    w.set("dilations", {g.dilation, g.dilation}).set("group", std::int64_t{g.groups});
    emit(n, w, parts);
  }

  void batch_norm(const Node& n) {
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

  void activation(const Node& n) {
    if (n.layer->as_activation() == Activation::kRelu) {
      NodeWriter w("Relu", n.name);
      return emit(n, w);
    }
    constexpr float kLow = 0, kHigh = 6;
    if (!has_bounds_) {
      tensor("relu6.low", {}, {&kLow, 1});
      tensor("relu6.high", {}, {&kHigh, 1});
      has_bounds_ = true;
    }
    NodeWriter w("Clip", n.name);
    emit(n, w, {"relu6.low", "relu6.high"});
  }

  void pool(const Node& n, const char* op, const kernels::PoolOptions& o, bool average) {
    NodeWriter w(op, n.name);
    w.set("kernel_shape", {o.window, o.window}).set("strides", {o.stride, o.stride});
    w.set("pads", {o.pad, o.pad, o.trailing_pad(), o.trailing_pad()});
    w.set("ceil_mode", std::int64_t{o.ceil_mode});
    if (average) w.set("count_include_pad", std::int64_t{o.count_include_pad});
    emit(n, w);
  }

  void global_pool(const Node& n) {
    NodeWriter pool("GlobalAveragePool", n.name + ".pool");
    const std::string from = value_name(n.inputs[0]), pooled = n.name + ".pooled";
    graph_.message(1, pool.inputs({&from, 1}).output(pooled).message());
    NodeWriter flatten("Flatten", n.name);
    graph_.message(
        1, flatten.inputs({&pooled, 1}).output(n.name).set("axis", std::int64_t{1}).message());
    values_.push_back(n.name);
  }

  void linear(const Node& n) {
    std::vector<std::string> parts = {weight(n, "weight")};
    if (static_cast<const Linear&>(*n.layer).has_bias()) parts.push_back(weight(n, "bias"));
    NodeWriter w("Gemm", n.name);
    emit(n, w.set("transB", std::int64_t{1}), parts);
  }

  /// The parameter-free shortcut, as a strided 1x1 convolution that copies channels.
  void subsample(const Node& n) {
    const auto& layer = static_cast<const SubsamplePad&>(*n.layer);
    const std::int64_t in = source_.node(n.inputs[0]).shape[3], out = layer.out_channels();
    std::vector<float> copies(static_cast<std::size_t>(in * out));
    for (std::int64_t c = 0; c < in; ++c) {
      copies[static_cast<std::size_t>(((out - in) / 2 + c) * in + c)] = 1;
    }
    tensor(n.name + ".weight", std::array{out, in, std::int64_t{1}, std::int64_t{1}}, copies);
    NodeWriter w("Conv", n.name);
    emit(n, w.set("kernel_shape", {1, 1}).set("strides", {layer.stride(), layer.stride()}),
         {n.name + ".weight"});
  }

  void refuse(const Node& n, std::string_view why) {
    problems_ += "\n  " + n.name + " (" + std::string(n.layer->kind()) + ") " + std::string(why);
    values_.push_back(n.name);
  }

  void node(ValueId id) {
    const Node& n = source_.node(id);
    if (n.kind == NodeKind::kInput) {
      value_info(11, n.name, n.shape);
      values_.push_back(n.name);
      return;
    }
    if (n.layer == nullptr || n.layer->kind() == "Dropout") {  // identities
      values_.push_back(value_name(n.inputs[0]));
      return;
    }
    layer(n);
  }

  void layer(const Node& n) {
    const std::string_view kind = n.layer->kind();
    if (kind == "Conv2d") return conv(n);
    if (kind == "BatchNorm2d") return batch_norm(n);
    if (kind == "Activation") return activation(n);
    if (kind == "GlobalAvgPool") return global_pool(n);
    if (kind == "Linear") return linear(n);
    if (kind == "SubsamplePad") return subsample(n);
    if (kind == "MaxPool2d") {
      return pool(n, "MaxPool", static_cast<const MaxPool2d&>(*n.layer).options(), false);
    }
    if (kind == "AvgPool2d") {
      return pool(n, "AveragePool", static_cast<const AvgPool2d&>(*n.layer).options(), true);
    }
    if (kind == "Add" && n.layer->is_sum()) {
      NodeWriter w("Add", n.name);
      return emit(n, w);
    }
    if (kind == "Concat") {
      NodeWriter w("Concat", n.name);
      return emit(n, w.set("axis", std::int64_t{1}));
    }
    refuse(n, "has no operator");
  }

  Context& ctx_;
  const Graph& source_;
  const ParamStore& params_;
  WireWriter graph_;
  std::vector<std::string> values_;  // ONNX name of every value
  std::string problems_;
  bool has_bounds_ = false;
};

}  // namespace

std::string export_model(Context& ctx, const Graph& graph, const ParamStore& params,
                         const ExportOptions& options) {
  if (options.opset < kOldest || options.opset > kNewest) {
    fail(Errc::kUsage, "opset ", options.opset, "; ", kOldest, " to ", kNewest, " are written");
  }
  return Exporter(ctx, graph, params).run(options);
}

}  // namespace graft::onnx
