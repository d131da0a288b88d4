// SPDX-License-Identifier: Apache-2.0
#include "models/spec/graph_json.h"

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "layers/nn/conv2d.h"
#include "layers/nn/linear.h"
#include "layers/nn/norm.h"
#include "layers/nn/pointwise.h"
#include "layers/nn/pool.h"

namespace graft {
namespace {

constexpr std::int64_t kMaxNodes = 65536;
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 20;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;
constexpr std::size_t kMaxNameBytes = 256;

/// A checked member of a node.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}

  [[nodiscard]] std::int64_t integer(const char* key, std::int64_t low = 0) const {
    const Json& value = json_.at(key);
    const bool sound = value.is_number_integer();
    const auto n = sound ? value.get<std::int64_t>() : std::int64_t{-1};
    if (!sound || n < low || n > kMaxExtent) fail(Errc::kModel, key, " is ", value.dump());
    return n;
  }
  [[nodiscard]] int small(const char* key, int low = 0) const {
    return static_cast<int>(integer(key, low));
  }
  [[nodiscard]] double number(const char* key) const {
    const Json& value = json_.at(key);
    if (!value.is_number() || !std::isfinite(value.get<double>())) {
      fail(Errc::kModel, key, " is ", value.dump());
    }
    return value.get<double>();
  }
  [[nodiscard]] bool flag(const char* key) const { return json_.at(key).get<bool>(); }
  [[nodiscard]] std::string text(const char* key) const { return json_.at(key).get<std::string>(); }

 private:
  const Json& json_;
};

Activation activation_of(const std::string& text) {
  if (text == "relu") return Activation::kRelu;
  if (text == "relu6") return Activation::kRelu6;
  fail(Errc::kModel, "unknown activation '", text, "'");
}

void write_pool(const kernels::PoolOptions& o, Json& json) {
  json.update({{"window", o.window},
               {"stride", o.stride},
               {"pad", o.pad},
               {"pad_end", o.trailing_pad()},
               {"ceil", o.ceil_mode},
               {"count_include_pad", o.count_include_pad}});
}

kernels::PoolOptions read_pool(const Fields& f) {
  return {.window = f.small("window", 1),
          .stride = f.small("stride", 1),
          .pad = f.small("pad"),
          .ceil_mode = f.flag("ceil"),
          .count_include_pad = f.flag("count_include_pad"),
          .pad_end = f.small("pad_end")};
}

/// How one kind of layer is written and read.
struct LayerCodec {
  const char* kind;
  void (*write)(const Layer& layer, Json& json);
  LayerPtr (*read)(const Fields& f);
};

void write_conv(const Layer& layer, Json& json) {
  const auto& o = static_cast<const Conv2d&>(layer).options();
  json.update({{"in", o.in_channels},
               {"out", o.out_channels},
               {"kernel", o.kernel},
               {"kernel_w", o.kernel_w},
               {"stride", o.stride},
               {"pad", o.pad},
               {"pad_left", o.pad_left},
               {"pad_end", o.pad_end},
               {"pad_right", o.pad_right},
               {"dilation", o.dilation},
               {"groups", o.groups},
               {"bias", o.bias}});
}

LayerPtr read_conv(const Fields& f) {
  return std::make_shared<Conv2d>(Conv2dOptions{.in_channels = f.integer("in", 1),
                                                .out_channels = f.integer("out", 1),
                                                .kernel = f.small("kernel", 1),
                                                .stride = f.small("stride", 1),
                                                .pad = f.small("pad"),
                                                .groups = f.small("groups", 1),
                                                .bias = f.flag("bias"),
                                                .pad_end = f.small("pad_end"),
                                                .kernel_w = f.small("kernel_w", 1),
                                                .pad_left = f.small("pad_left"),
                                                .pad_right = f.small("pad_right"),
                                                .dilation = f.small("dilation", 1)});
}

void write_linear(const Layer& layer, Json& json) {
  const auto& linear = static_cast<const Linear&>(layer);
  json.update(
      {{"in", linear.in_features()}, {"out", linear.out_features()}, {"bias", linear.has_bias()}});
}

LayerPtr read_linear(const Fields& f) {
  return std::make_shared<Linear>(f.integer("in", 1), f.integer("out", 1), f.flag("bias"));
}

void write_batch_norm(const Layer& layer, Json& json) {
  const auto& norm = static_cast<const BatchNorm2d&>(layer);
  if (norm.has_residual() || norm.options().activation != Activation::kNone) {
    fail(Errc::kUnsupported, "a fused batch norm is not stored");
  }
  json.update({{"channels", norm.channels()}, {"eps", norm.options().eps}});
}

LayerPtr read_batch_norm(const Fields& f) {
  const double eps = f.number("eps");
  if (eps < 0) fail(Errc::kModel, "eps is ", eps);
  return std::make_shared<BatchNorm2d>(f.integer("channels", 1),
                                       kernels::BatchNormOptions{.eps = eps});
}

void write_activation(const Layer& layer, Json& json) {
  json["function"] = layer.as_activation() == Activation::kRelu6 ? "relu6" : "relu";
}

void write_subsample(const Layer& layer, Json& json) {
  const auto& pad = static_cast<const SubsamplePad&>(layer);
  json.update({{"out", pad.out_channels()}, {"stride", pad.stride()}});
}

template <class Pool>
void write_pool_of(const Layer& layer, Json& json) {
  write_pool(static_cast<const Pool&>(layer).options(), json);
}

void write_nothing(const Layer&, Json&) {}

const std::array kCodecs = {
    LayerCodec{"Conv2d", write_conv, read_conv},
    LayerCodec{"Linear", write_linear, read_linear},
    LayerCodec{"BatchNorm2d", write_batch_norm, read_batch_norm},
    LayerCodec{"Activation", write_activation,
               [](const Fields& f) -> LayerPtr {
                 return std::make_shared<ActivationLayer>(activation_of(f.text("function")));
               }},
    LayerCodec{"Add",
               [](const Layer& layer, Json&) {
                 if (!layer.is_sum()) fail(Errc::kUnsupported, "a fused sum is not stored");
               },
               [](const Fields&) -> LayerPtr { return std::make_shared<Add>(); }},
    LayerCodec{"Concat", write_nothing,
               [](const Fields&) -> LayerPtr { return std::make_shared<Concat>(); }},
    LayerCodec{
        "MaxPool2d", write_pool_of<MaxPool2d>,
        [](const Fields& f) -> LayerPtr { return std::make_shared<MaxPool2d>(read_pool(f)); }},
    LayerCodec{
        "AvgPool2d", write_pool_of<AvgPool2d>,
        [](const Fields& f) -> LayerPtr { return std::make_shared<AvgPool2d>(read_pool(f)); }},
    LayerCodec{"GlobalAvgPool", write_nothing,
               [](const Fields&) -> LayerPtr { return std::make_shared<GlobalAvgPool>(); }},
    LayerCodec{
        "Dropout",
        [](const Layer& layer, Json& json) { json["p"] = static_cast<const Dropout&>(layer).p(); },
        [](const Fields& f) -> LayerPtr { return std::make_shared<Dropout>(f.number("p")); }},
    LayerCodec{"SubsamplePad", write_subsample,
               [](const Fields& f) -> LayerPtr {
                 return std::make_shared<SubsamplePad>(f.integer("out", 1), f.small("stride", 1));
               }},
};

const LayerCodec* find_codec(std::string_view kind) {
  for (const LayerCodec& codec : kCodecs) {
    if (kind == codec.kind) return &codec;
  }
  return nullptr;
}

Json node_json(const Node& n) {
  Json json = {{"name", n.name}};
  if (n.kind == NodeKind::kInput && n.dtype == DType::kF32) {
    json["op"] = "Input";
    Json& shape = json["shape"] = Json::array();
    for (int i = 1; i < n.shape.rank(); ++i) shape.push_back(n.shape[i]);
    return json;
  }
  const LayerCodec* codec = n.layer == nullptr ? nullptr : find_codec(n.layer->kind());
  if (codec == nullptr) {
    fail(Errc::kUnsupported, "node ", n.name, ": ",
         n.layer == nullptr ? name(n.kind) : n.layer->kind(), " is not stored");
  }
  json["op"] = codec->kind;
  json["inputs"] = n.inputs;
  codec->write(*n.layer, json);
  return json;
}

void check_size(const Shape& shape) {
  std::int64_t elements = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] < 1 || shape[i] > kMaxExtent || (elements *= shape[i]) > kMaxElements) {
      fail(Errc::kModel, "a value of ", shape, " is beyond the limits");
    }
  }
}

void read_node(const Json& json, Graph& graph) {
  const Fields f(json);
  const std::string name = f.text("name"), op = f.text("op");
  if (name.empty() || name.size() > kMaxNameBytes)
    fail(Errc::kModel, "a name of no or too many bytes");
  if (op == "Input") {
    Shape shape = {1};
    for (const Json& d : json.at("shape")) shape.push_back(d.get<std::int64_t>());
    check_size(shape);
    graph.input(name, shape);
    return;
  }
  const LayerCodec* codec = find_codec(op);
  if (codec == nullptr) fail(Errc::kModel, "unknown operator '", op, "'");
  const LayerPtr layer = codec->read(f);
  for (const ParamSpec& spec : layer->params()) check_size(spec.shape);
  const ValueId id = graph.add(name, layer, json.at("inputs").get<std::vector<ValueId>>());
  check_size(graph.node(id).shape);
}

}  // namespace

Json to_json(const Graph& graph) {
  Json nodes = Json::array(), outputs = Json::object();
  for (const Node& n : graph.nodes()) nodes.push_back(node_json(n));
  for (const auto& o : graph.outputs()) outputs[o.name] = o.value;
  return {{"nodes", nodes}, {"outputs", outputs}};
}

Graph graph_from_json(const Json& json, std::string_view source) {
  Graph graph;
  std::size_t at = 0;
  try {
    const Json& nodes = json.at("nodes");
    if (!nodes.is_array() || nodes.size() > kMaxNodes) fail(Errc::kModel, "not a list of nodes");
    for (; at < nodes.size(); ++at) read_node(nodes[at], graph);
    for (const auto& [name, value] : json.at("outputs").items()) {
      graph.mark_output(name, value.get<ValueId>());
    }
    return graph;
  } catch (const Json::exception& e) {
    fail(Errc::kModel, source, ": graph, node ", at, ": ", e.what());
  } catch (const Error& e) {
    fail(Errc::kModel, source, ": graph, node ", at, ": ", e.what());
  }
}

}  // namespace graft
