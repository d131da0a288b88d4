// SPDX-License-Identifier: Apache-2.0
#include "models/onnx/import.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "models/onnx/detail/importer.h"

namespace graft::onnx {
namespace detail {
namespace {

constexpr std::int64_t kMaxSide = 4096;
constexpr std::size_t kMaxListed = 200;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;  // of a value of one example
constexpr std::size_t kMostUses = 4;  // of the average weight, when nodes share them

const Operator* find_operator(const NodeProto& node) {
  if (!node.domain.empty() && node.domain != "ai.onnx") return nullptr;
  const auto& all = operators();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Operator& o) { return o.op == node.op; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

std::string_view name(Value::Form form) {
  constexpr std::array<std::string_view, 7> kNames = {
      "nothing", "an image", "a pooled image", "rows", "flattened image", "a constant", "integers"};
  return kNames[static_cast<std::size_t>(form)];
}

Importer::Importer(const ModelProto& model, std::size_t file_bytes, const ImportOptions& options)
    : model_(model), max_weights_(kMostUses * file_bytes), options_(options) {
  for (const NodeProto& n : model.graph.nodes) {
    for (const std::string& in : n.inputs) readers_[in].push_back(&n);
  }
}

const Value& Importer::input(const NodeProto& node, std::size_t index) const {
  if (!has_input(node, index)) throw Unsupported{fmt::format("lacks input {}", index)};
  const auto found = values_.find(node.inputs[index]);
  if (found == values_.end()) {
    throw Unsupported{fmt::format("input {} is made by no node before it", node.inputs[index])};
  }
  if (found->second.quantised && node.op != "DequantizeLinear") {
    throw Unsupported{"works on 8-bit values; only DequantizeLinear may follow QuantizeLinear"};
  }
  return found->second;
}

bool Importer::has_input(const NodeProto& node, std::size_t index) const {
  return index < node.inputs.size() && !node.inputs[index].empty();
}

const Value& Importer::input(const NodeProto& node, std::size_t index, Value::Form form) const {
  const Value& value = input(node, index);
  if (value.form != form) {
    throw Unsupported{
        fmt::format("input {} is {}, expected {}", index, name(value.form), name(form))};
  }
  if (value.pads.any() && node.op != "Conv" && node.op != "AveragePool") {
    throw Unsupported{"follows a Pad, which only Conv and AveragePool take in"};
  }
  return value;
}

const TensorProto& Importer::constant(const NodeProto& node, std::size_t index) const {
  return *input(node, index, Value::Form::kConstant).constant;
}

std::vector<std::int64_t> Importer::integers(const NodeProto& node, std::size_t index) const {
  const Value& value = input(node, index);
  if (value.form == Value::Form::kIntegers) return value.integers;
  if (value.form != Value::Form::kConstant) {
    throw Unsupported{fmt::format("input {} is not known before the model runs", index)};
  }
  if (value.constant->numel() > static_cast<std::int64_t>(kMaxShapeNumbers)) {
    throw Unsupported{fmt::format("input {} is no shape", index)};
  }
  return value.constant->as_integers();
}

void Importer::define(const std::string& name, Value value) {
  if (!values_.emplace(name, std::move(value)).second) {
    fail(Errc::kModel, "two nodes make ", name);
  }
}

std::string Importer::free_name(std::string wanted) {
  if (graph_.find(wanted) == kNoValue) return wanted;
  // Counted, so that a file of equal names costs no search.
  std::string numbered;
  do {
    numbered = fmt::format("{}_{}", wanted, ++name_counts_[wanted]);
  } while (graph_.find(numbered) != kNoValue);
  return numbered;
}

std::string Importer::name_for(const NodeProto& node, const TensorProto* weight) {
  constexpr std::string_view kSuffix = ".weight";
  if (weight != nullptr && weight->name.ends_with(kSuffix)) {
    return free_name(weight->name.substr(0, weight->name.size() - kSuffix.size()));
  }
  if (!node.name.empty()) return free_name(node.name);
  return free_name(node.outputs.empty() ? node.op : node.op + "_" + node.outputs[0]);
}

ValueId Importer::add(const std::string& name, LayerPtr layer, std::vector<ValueId> inputs) {
  ValueId id = kNoValue;
  try {
    id = graph_.add(name, std::move(layer), std::move(inputs));
  } catch (const Error& e) {
    throw Unsupported{e.what()};
  }
  std::int64_t elements = 1;
  const Shape& y = graph_.node(id).shape;
  for (int i = 0; i < y.rank(); ++i) {
    if (y[i] > kMaxElements || (elements *= y[i]) > kMaxElements) {
      fail(Errc::kModel, "node ", name, ": a value of ", y, " is beyond the limits");
    }
  }
  return id;
}

void Importer::add(const NodeProto& node, const std::string& name, LayerPtr layer,
                   std::vector<ValueId> inputs, Value::Form form) {
  const ValueId id = add(name, std::move(layer), std::move(inputs));
  define(node.outputs.at(0), {.form = form, .id = id});
}

void Importer::weight(const std::string& name, std::vector<float> elements) {
  n_weights_ += elements.size();
  if (n_weights_ > max_weights_) {
    fail(Errc::kModel, "node of ", name, ": the nodes use far more weights than the file has");
  }
  weights_[name] = std::move(elements);
}

bool Importer::is_nonnegative(ValueId id) {
  while (nonnegative_.size() <= static_cast<std::size_t>(id)) {
    const Node& n = graph_.nodes()[nonnegative_.size()];
    const std::string_view kind = n.kind == NodeKind::kLayer ? n.layer->kind() : "";
    const bool passes = kind == "MaxPool2d" || kind == "AvgPool2d" || kind == "GlobalAvgPool" ||
                        kind == "Concat" || kind == "Dropout";
    const bool inputs = std::all_of(n.inputs.begin(), n.inputs.end(), [&](ValueId v) {
      return nonnegative_[static_cast<std::size_t>(v)];
    });
    nonnegative_.push_back(kind == "Activation" || (passes && inputs));
  }
  return nonnegative_[static_cast<std::size_t>(id)];
}

void Importer::filters(const std::string& name, const TensorProto& w, std::vector<float> elements) {
  weight(name + ".weight", std::move(elements));
  if (w.in_steps) layers_in_steps_.insert(name);
}

void Importer::note_steps(ValueId id, const Steps& steps) {
  const auto [found, fresh] = steps_.emplace(id, steps);
  if (!fresh && found->second != steps) found->second = {};
}

const TensorProto* Importer::keep(TensorProto constant) {
  n_kept_ += static_cast<std::size_t>(constant.numel());
  if (n_kept_ > max_weights_) {
    fail(Errc::kModel, "tensor ", constant.name,
         ": the nodes make far more weights than the file has");
  }
  return &kept_.emplace_back(std::move(constant));
}

const TensorProto* Importer::take_bias_behind(const NodeProto& node, std::int64_t channels) {
  const auto found = readers_.find(node.outputs.at(0));
  if (found == readers_.end() || found->second.size() != 1 || is_model_output(node)) return nullptr;
  const NodeProto& reader = *found->second.front();
  if (reader.op != "Add" || reader.inputs.size() != 2) return nullptr;
  const bool first = reader.inputs[0] == node.outputs[0];
  const auto other = values_.find(reader.inputs[first ? 1 : 0]);
  if (other == values_.end() || other->second.form != Value::Form::kConstant) return nullptr;
  const TensorProto& bias = *other->second.constant;
  // (C), (1,C) behind a matrix product; (C,1,1), (1,C,1,1) behind a convolution.
  const std::size_t trailing = node.op == "Conv" ? 2 : 0;
  const std::size_t rank = bias.dims.size();
  if (bias.numel() != channels || rank < trailing + 1 ||
      bias.dims[rank - 1 - trailing] != channels) {
    return nullptr;
  }
  passed_over_[&reader] = node.outputs[0];
  return &bias;
}

bool Importer::is_model_output(const NodeProto& node) const {
  const auto& outputs = model_.graph.outputs;
  return std::any_of(outputs.begin(), outputs.end(),
                     [&](const ValueInfoProto& o) { return o.name == node.outputs.at(0); });
}

void Importer::read_constants() {
  for (const TensorProto& t : model_.graph.initializers) {
    define(t.name, {.form = Value::Form::kConstant, .constant = &t});
  }
}

void Importer::read_input() {
  const ValueInfoProto* image = nullptr;
  for (const ValueInfoProto& in : model_.graph.inputs) {
    if (values_.contains(in.name)) continue;  // before IR 4, initializers are inputs as well
    if (image != nullptr) {
      fail(Errc::kModel, "the model has two inputs, ", image->name, " and ", in.name,
           "; a classifier of images has one");
    }
    image = &in;
  }
  if (image == nullptr) fail(Errc::kModel, "the model has no input");
  constexpr std::int64_t kChannels = 3;
  std::vector<std::int64_t> dims = image->dims;
  if (image->type != ElementType::kFloat || dims.size() != 4) {
    fail(Errc::kModel, "input ", image->name, " has element type ", static_cast<int>(image->type),
         " and rank ", dims.size(), "; expected f32 (N,3,H,W)");
  }
  const auto readers = readers_.find(image->name);
  const NodeProto* turned = readers != readers_.end() && readers->second.size() == 1 &&
                                    readers->second[0]->op == "Transpose" && dims[3] == kChannels
                                ? readers->second[0]
                                : nullptr;
  if (turned != nullptr) dims = {dims[0], dims[3], dims[1], dims[2]};
  for (std::size_t i = 2; i < dims.size(); ++i) {
    if (dims[i] == ValueInfoProto::kFree && options_.size > 0) dims[i] = options_.size;
    if (dims[i] < 1 || dims[i] > kMaxSide) {
      fail(Errc::kModel, "input ", image->name, " leaves its size open or has ", dims[i],
           " pixels; name one with --size, up to ", kMaxSide);
    }
  }
  if (dims[1] != kChannels) {
    fail(Errc::kModel, "input ", image->name, " has ", dims[1], " channels; expected RGB");
  }
  const ValueId id = graph_.input("image", {1, dims[2], dims[3], kChannels});
  define(image->name, {.form = Value::Form::kImage, .id = id});
  if (turned != nullptr) passed_over_[turned] = image->name;
}

bool Importer::poisoned(const NodeProto& node) const {
  return std::any_of(node.inputs.begin(), node.inputs.end(), [&](const std::string& in) {
    const auto found = values_.find(in);
    return found != values_.end() && found->second.form == Value::Form::kNone;
  });
}

void Importer::handle(const NodeProto& node) {
  const auto give_up = [&](const std::string& reason) {
    problems_.push_back(
        fmt::format("{} ({}, opset {}): {}",
                    node.name.empty() && !node.outputs.empty() ? node.outputs[0] : node.name,
                    node.op, model_.opset, reason));
  };
  const Operator* op = find_operator(node);
  const bool has_graph = std::any_of(node.attributes.begin(), node.attributes.end(),
                                     [](const AttributeProto& a) { return a.has_graph; });
  if (node.outputs.empty() || node.outputs[0].empty()) {
    give_up("has no output");
  } else if (op == nullptr || has_graph) {
    const bool low_precision = node.op.starts_with("QLinear") || node.op.ends_with("Integer");
    give_up(low_precision
                ? "8-bit arithmetic is imported as QuantizeLinear and DequantizeLinear around the "
                  "floating operators; export in that form (QDQ)"
                : "the operator is not supported");
  } else if (const auto passed = passed_over_.find(&node); passed != passed_over_.end()) {
    define(node.outputs[0], values_.at(passed->second));
  } else if (!poisoned(node)) {
    try {
      op->handle(*this, node);
    } catch (const Unsupported& why) {
      give_up(why.reason);
    }
  }
  for (const std::string& out : node.outputs) {
    if (!out.empty() && !values_.contains(out)) values_[out] = {};
  }
}

void Importer::list_problems() const {
  std::string list;
  for (std::size_t i = 0; i < std::min(problems_.size(), kMaxListed); ++i) {
    list += "\n  " + problems_[i];
  }
  fail(Errc::kModel, problems_.size(), " of ", model_.graph.nodes.size(),
       " nodes cannot be imported:", list, problems_.size() > kMaxListed ? "\n  ..." : "",
       "\n`graft import --operators` lists what can; simplify or export the model again without "
       "them");
}

void Importer::finish() {
  if (model_.graph.outputs.size() != 1) {
    fail(Errc::kModel, "the model has ", model_.graph.outputs.size(),
         " outputs; a classifier has one");
  }
  const std::string& name = model_.graph.outputs[0].name;
  const auto found = values_.find(name);
  if (found == values_.end()) fail(Errc::kModel, "no node makes the output ", name);
  const Value& y = found->second;
  const bool logits = y.form == Value::Form::kRow || y.form == Value::Form::kPooled;
  if ((!logits && y.form != Value::Form::kImage) || y.pads.any() || y.quantised) {
    fail(Errc::kModel, "the output ", name, " is ", detail::name(y.form), ", expected (N,classes)");
  }
  graph_.mark_output(logits ? "logits" : "features", y.id);
}

Imported Importer::run() {
  if (model_.opset < kOldestOpset || model_.opset > kNewestOpset) {
    fail(Errc::kModel, "opset ", model_.opset, "; ", kOldestOpset, " to ", kNewestOpset,
         " are read");
  }
  read_constants();
  read_input();
  for (const NodeProto& node : model_.graph.nodes) handle(node);
  if (!problems_.empty()) list_problems();
  finish();
  std::map<std::string, Steps> steps;
  for (const auto& [id, s] : steps_) steps[graph_.node(id).name] = s;
  return {.graph = std::move(graph_),
          .weights = std::move(weights_),
          .producer = model_.producer,
          .opset = static_cast<int>(model_.opset),
          .quantised = n_quantised_,
          .steps = std::move(steps),
          .layers_in_steps = std::move(layers_in_steps_)};
}

}  // namespace detail

Imported import_model(std::string_view bytes, std::string_view source,
                      const ImportOptions& options) {
  const ModelProto model = parse_model(bytes, source);
  try {
    return detail::Importer(model, bytes.size(), options).run();
  } catch (const Error& e) {
    fail(Errc::kModel, source, ": ", e.what());
  }
}

std::vector<OperatorInfo> supported_operators() {
  std::vector<OperatorInfo> all;
  for (const detail::Operator& o : detail::operators()) all.push_back({o.op, o.note});
  return all;
}

}  // namespace graft::onnx
