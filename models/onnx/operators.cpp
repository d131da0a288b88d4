// SPDX-License-Identifier: Apache-2.0
// ONNX's operators as graft's layers. Source: onnx/docs/Operators.md, opset 9 to 21.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "layers/nn/conv2d.h"
#include "layers/nn/linear.h"
#include "layers/nn/norm.h"
#include "layers/nn/pointwise.h"
#include "layers/nn/pool.h"
#include "models/onnx/detail/fold.h"
#include "models/onnx/detail/importer.h"
#include "models/onnx/detail/quantized.h"

namespace graft::onnx::detail {
namespace {

using Form = Value::Form;

/// The one number that both axes have, from attribute `name`.
int square(const NodeProto& node, std::string_view name, int fallback) {
  const AttributeProto* a = node.find(name);
  if (a == nullptr || a->ints.empty()) return fallback;
  if (a->ints.size() != 2 || a->ints[0] != a->ints[1]) {
    throw Unsupported{fmt::format("{} differ between height and width", name)};
  }
  if (a->ints[0] < 1 || a->ints[0] > 4096)
    throw Unsupported{fmt::format("{} of {}", name, a->ints[0])};
  return static_cast<int>(a->ints[0]);
}

int pad_of(std::int64_t n) {
  constexpr std::int64_t kMost = 4096;
  if (n < 0 || n > kMost) throw Unsupported{fmt::format("padding of {}", n)};
  return static_cast<int>(n);
}

/// `pads`, or what auto_pad makes of the input's extents for windows of `reach` pixels.
Pads pads_of(const NodeProto& node, const Shape& x, const std::array<std::int64_t, 2>& reach,
             int stride) {
  const AttributeProto* mode = node.find("auto_pad");
  const std::string how = mode == nullptr || mode->s.empty() ? "NOTSET" : mode->s;
  if (how == "VALID") return {};
  if (how == "NOTSET") {
    const AttributeProto* a = node.find("pads");
    if (a == nullptr || a->ints.empty()) return {};
    if (a->ints.size() != 4) throw Unsupported{"pads are not four numbers"};
    return {pad_of(a->ints[0]), pad_of(a->ints[1]), pad_of(a->ints[2]), pad_of(a->ints[3])};
  }
  if (how != "SAME_UPPER" && how != "SAME_LOWER") throw Unsupported{"auto_pad is " + how};
  std::array<int, 2> begin{}, end{};
  for (int axis = 0; axis < 2; ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    const std::int64_t in = x[axis + 1], out = (in + stride - 1) / stride;
    const int total = pad_of(std::max<std::int64_t>((out - 1) * stride + reach[i] - in, 0));
    begin[i] = how == "SAME_UPPER" ? total / 2 : total - total / 2;
    end[i] = total - begin[i];
  }
  return {begin[0], begin[1], end[0], end[1]};
}

/// A 1x1 convolution of a pooled image is a matrix product.
void conv_of_pooled(Importer& m, const NodeProto& node, const Value& x, const TensorProto& w,
                    const TensorProto* bias) {
  const std::string name = m.name_for(node, &w);
  m.filters(name, w, w.as_floats());
  if (bias != nullptr) m.weight(name + ".bias", bias->as_floats());
  m.add(node, name, std::make_shared<Linear>(w.dims[1], w.dims[0], bias != nullptr), {x.id},
        Form::kPooled);
}

void conv(Importer& m, const NodeProto& node) {
  const TensorProto& w = m.constant(node, 1);
  if (w.dims.size() != 4 || w.numel() == 0) throw Unsupported{"the filter is not of rank 4"};
  const std::int64_t groups = node.integer("group", 1);
  const TensorProto* bias =
      m.has_input(node, 2) ? &m.constant(node, 2) : m.take_bias_behind(node, w.dims[0]);
  if (bias != nullptr && bias->numel() != w.dims[0]) throw Unsupported{"the bias has another size"};
  if (m.input(node, 0).form == Form::kPooled && w.dims[2] == 1 && w.dims[3] == 1 && groups == 1) {
    conv_of_pooled(m, node, m.input(node, 0), w, bias);
    return;
  }
  const Value& x = m.input(node, 0, Form::kImage);
  const int stride = square(node, "strides", 1), dilation = square(node, "dilations", 1);
  const auto reach = [&](std::size_t i) { return (w.dims[i] - 1) * dilation + 1; };
  const Pads pads = pads_of(node, m.shape(x), {reach(2), reach(3)}, stride);
  if (groups < 1 || groups > w.dims[0] || w.dims[1] * groups != m.shape(x)[3]) {
    throw Unsupported{fmt::format("filter of {} x {} channels for an input of {}", w.dims[1],
                                  groups, m.shape(x)[3])};
  }
  const std::string name = m.name_for(node, &w);
  const auto layer = std::make_shared<Conv2d>(Conv2dOptions{.in_channels = w.dims[1] * groups,
                                                            .out_channels = w.dims[0],
                                                            .kernel = pad_of(w.dims[2]),
                                                            .stride = stride,
                                                            .pad = pads.top + x.pads.top,
                                                            .groups = static_cast<int>(groups),
                                                            .bias = bias != nullptr,
                                                            .pad_end = pads.bottom + x.pads.bottom,
                                                            .kernel_w = pad_of(w.dims[3]),
                                                            .pad_left = pads.left + x.pads.left,
                                                            .pad_right = pads.right + x.pads.right,
                                                            .dilation = dilation});
  m.add(node, name, layer, {x.id}, Form::kImage);
  m.filters(name, w, w.as_floats());
  if (bias != nullptr) m.weight(name + ".bias", bias->as_floats());
}

void batch_normalization(Importer& m, const NodeProto& node) {
  const Value& x = m.input(node, 0, Form::kImage);
  if (node.integer("training_mode", 0) != 0) {
    throw Unsupported{"was exported in training mode; call eval() before the export"};
  }
  const std::int64_t channels = m.shape(x)[3];
  const std::string name = m.name_for(node, &m.constant(node, 1));
  constexpr std::array<const char*, 4> kParts = {".weight", ".bias", ".running_mean",
                                                 ".running_var"};
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const TensorProto& t = m.constant(node, i + 1);
    if (t.numel() != channels) throw Unsupported{"its parameters have another size than its input"};
    m.weight(name + kParts[i], t.as_floats());
  }
  const double eps = static_cast<double>(node.real("epsilon", 1e-5F));
  m.add(node, name, std::make_shared<BatchNorm2d>(channels, kernels::BatchNormOptions{.eps = eps}),
        {x.id}, Form::kImage);
}

void activation(Importer& m, const NodeProto& node, Activation act) {
  const Value& x = m.input(node, 0);
  if (x.form == Form::kConstant || x.form == Form::kIntegers || x.pads.any()) {
    throw Unsupported{"does not follow a layer"};
  }
  m.add(node, m.name_for(node, nullptr), std::make_shared<ActivationLayer>(act), {x.id}, x.form);
}

void relu(Importer& m, const NodeProto& node) { activation(m, node, Activation::kRelu); }

void clip(Importer& m, const NodeProto& node) {
  constexpr float kSix = 6;
  constexpr int kInputsSince = 11;  // before, the bounds are attributes
  const auto bound = [&](std::size_t index, const char* attribute, float fallback) {
    if (m.opset() < kInputsSince) return node.real(attribute, fallback);
    return m.has_input(node, index) ? m.constant(node, index).as_floats().at(0) : fallback;
  };
  const float low = bound(1, "min", std::numeric_limits<float>::lowest());
  const float high = bound(2, "max", std::numeric_limits<float>::max());
  if (low != 0 || (high != kSix && high < std::numeric_limits<float>::max())) {
    throw Unsupported{fmt::format("bounds {} and {}; 0 and 6, or 0 and none, are", low, high)};
  }
  activation(m, node, high == kSix ? Activation::kRelu6 : Activation::kRelu);
}

void add(Importer& m, const NodeProto& node) {
  if (fold_arithmetic(m, node)) return;
  const Value &a = m.input(node, 0), &b = m.input(node, 1);
  if (a.id == kNoValue || a.form != b.form || a.pads.any() || b.pads.any()) {
    throw Unsupported{fmt::format("adds {} and {}", name(a.form), name(b.form))};
  }
  m.add(node, m.name_for(node, nullptr), std::make_shared<Add>(), {a.id, b.id}, a.form);
}

void concat(Importer& m, const NodeProto& node) {
  if (fold_concat(m, node)) return;
  const Form form = m.input(node, 0).form;
  const std::int64_t rank = form == Form::kRow ? 2 : 4, axis = node.integer("axis", 0);
  if (axis != 1 && axis != 1 - rank) throw Unsupported{fmt::format("axis {}; 1 is", axis)};
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Value& x = m.input(node, i, form);
    if (x.id == kNoValue || form == Form::kFlattened || x.pads.any()) {
      throw Unsupported{fmt::format("joins {}", name(form))};
    }
    inputs.push_back(x.id);
  }
  m.add(node, m.name_for(node, nullptr), std::make_shared<Concat>(), std::move(inputs), form);
}

kernels::PoolOptions pool_options(Importer& m, const NodeProto& node, const Value& x) {
  constexpr int kMaxWindow = 15;
  kernels::PoolOptions o;
  o.window = square(node, "kernel_shape", 0);
  o.stride = square(node, "strides", 1);
  if (o.window == 0 || (o.window > kMaxWindow && node.op == "MaxPool")) {
    throw Unsupported{fmt::format("window of {}; 1 to {} are", o.window, kMaxWindow)};
  }
  if (square(node, "dilations", 1) != 1) throw Unsupported{"dilated pooling"};
  const Pads p = pads_of(node, m.shape(x), {o.window, o.window}, o.stride);
  const Pads all = {p.top + x.pads.top, p.left + x.pads.left, p.bottom + x.pads.bottom,
                    p.right + x.pads.right};
  if (all.top != all.left || all.bottom != all.right) {
    throw Unsupported{"padding differs between height and width"};
  }
  if (all.top > o.window / 2 || all.bottom >= o.window) {
    throw Unsupported{fmt::format("padding of {} for a window of {}", all.top, o.window)};
  }
  o.pad = all.top;
  o.pad_end = all.bottom;
  o.ceil_mode = node.integer("ceil_mode", 0) != 0;
  return o;
}

void max_pool(Importer& m, const NodeProto& node) {
  const Value& x = m.input(node, 0, Form::kImage);
  if (node.outputs.size() > 1 && !node.outputs[1].empty()) {
    throw Unsupported{"puts out indices"};
  }
  m.add(node, m.name_for(node, nullptr), std::make_shared<MaxPool2d>(pool_options(m, node, x)),
        {x.id}, Form::kImage);
}

void average_pool(Importer& m, const NodeProto& node) {
  const Value& x = m.input(node, 0, Form::kImage);
  kernels::PoolOptions o = pool_options(m, node, x);
  o.count_include_pad = node.integer("count_include_pad", 0) != 0;
  if (x.pads.any() && !o.count_include_pad) {
    // The zeros of a Pad node count, those of the pool itself do not: fine if there are none.
    if (o.pad != x.pads.top || o.pad_end != x.pads.bottom) {
      throw Unsupported{"padding that counts together with padding that does not"};
    }
    o.count_include_pad = true;
  }
  m.add(node, m.name_for(node, nullptr), std::make_shared<AvgPool2d>(o), {x.id}, Form::kImage);
}

void pool_globally(Importer& m, const NodeProto& node, Form form) {
  const Value& x = m.input(node, 0, Form::kImage);
  m.add(node, m.name_for(node, nullptr), std::make_shared<GlobalAvgPool>(), {x.id}, form);
}

void global_average_pool(Importer& m, const NodeProto& node) {
  pool_globally(m, node, Form::kPooled);
}

void reduce_mean(Importer& m, const NodeProto& node) {
  const AttributeProto* attribute = node.find("axes");
  std::vector<std::int64_t> axes;
  if (attribute != nullptr) {
    axes = attribute->ints;
  } else if (m.has_input(node, 1)) {
    axes = m.integers(node, 1);
  }
  for (std::int64_t& axis : axes) axis = axis < 0 ? axis + 4 : axis;
  std::sort(axes.begin(), axes.end());
  if (axes != std::vector<std::int64_t>{2, 3}) throw Unsupported{"axes are not height and width"};
  pool_globally(m, node, node.integer("keepdims", 1) != 0 ? Form::kPooled : Form::kRow);
}

/// (N,H,W,C) or (N,C) as rows.
Value as_rows(Importer& m, const NodeProto& node, const Value& x) {
  if (x.form == Form::kPooled || x.form == Form::kRow) return {.form = Form::kRow, .id = x.id};
  if (x.form == Form::kFlattened) return x;
  if (x.form != Form::kImage || x.pads.any()) {
    throw Unsupported{fmt::format("flattens {}", name(x.form))};
  }
  const Shape& shape = m.shape(x);
  if (shape[1] > 1 || shape[2] > 1) return {.form = Form::kFlattened, .id = x.id};
  const ValueId id = m.add(m.name_for(node, nullptr), std::make_shared<GlobalAvgPool>(), {x.id});
  return {.form = Form::kRow, .id = id};
}

void flatten(Importer& m, const NodeProto& node) {
  const std::int64_t axis = node.integer("axis", 1);
  const Value& x = m.input(node, 0);
  const bool is_row = x.form == Form::kRow || x.form == Form::kFlattened;
  if (axis != 1 && axis != (is_row ? -1 : -3)) throw Unsupported{fmt::format("axis {}", axis)};
  m.define(node.outputs[0], as_rows(m, node, x));
}

void reshape(Importer& m, const NodeProto& node) {
  if (fold_reshape(m, node)) return;
  const Value x = m.input(node, 0);
  const std::vector<std::int64_t> to = m.integers(node, 1);
  const auto keeps_batch = [](std::int64_t d) {
    return d == kBatch || d == 0 || d == -1 || d == 1;
  };
  if (x.id == kNoValue || to.empty() || !keeps_batch(to[0])) {
    throw Unsupported{fmt::format("reshapes {} beyond the rows of a batch", name(x.form))};
  }
  const std::int64_t row = m.shape(x).row_numel();
  const bool fits = to.size() > 1 && (to[1] == row || (to[1] == -1 && to[0] != -1));
  const bool pooled = to.size() == 4 && to[2] == 1 && to[3] == 1;
  if (!fits || (to.size() != 2 && !pooled)) {
    throw Unsupported{fmt::format("to ({}); (N,-1) is", fmt::join(to, ","))};
  }
  Value y = as_rows(m, node, x);
  if (pooled && y.form == Form::kRow) y.form = Form::kPooled;
  m.define(node.outputs[0], y);
}

/// `elements` of a matrix (C,K) as (K,C).
std::vector<float> transposed(const std::vector<float>& elements, std::int64_t c, std::int64_t k) {
  std::vector<float> out(elements.size());
  for (std::int64_t ic = 0; ic < c; ++ic) {
    for (std::int64_t ik = 0; ik < k; ++ik) {
      out[static_cast<std::size_t>(ik * c + ic)] = elements[static_cast<std::size_t>(ic * k + ik)];
    }
  }
  return out;
}

/// Rows times w (K,C) plus bias; of a flattened image a convolution over all of it.
void fully_connected(Importer& m, const NodeProto& node, const TensorProto& w,
                     std::vector<float> weight, std::int64_t outputs,
                     const std::vector<float>* bias) {
  const Value x = m.input(node, 0);
  const std::int64_t inputs = x.id == kNoValue ? -1 : m.shape(x).row_numel();
  if ((x.form != Form::kRow && x.form != Form::kFlattened) ||
      inputs * outputs != static_cast<std::int64_t>(weight.size()) || outputs < 1) {
    throw Unsupported{
        fmt::format("multiplies {} by a matrix of {} numbers", name(x.form), weight.size())};
  }
  const std::string name = m.name_for(node, &w);
  if (x.form == Form::kRow) {
    m.add(node, name, std::make_shared<Linear>(inputs, outputs, bias != nullptr), {x.id},
          Form::kRow);
  } else {
    const Shape& s = m.shape(x);
    const ValueId map =
        m.add(name,
              std::make_shared<Conv2d>(Conv2dOptions{.in_channels = s[3],
                                                     .out_channels = outputs,
                                                     .kernel = static_cast<int>(s[1]),
                                                     .bias = bias != nullptr,
                                                     .kernel_w = static_cast<int>(s[2])}),
              {x.id});
    m.add(node, name + ".rows", std::make_shared<GlobalAvgPool>(), {map}, Form::kRow);
  }
  m.filters(name, w, std::move(weight));
  if (bias != nullptr) m.weight(name + ".bias", *bias);
}

void gemm(Importer& m, const NodeProto& node) {
  const TensorProto& w = m.constant(node, 1);
  if (w.dims.size() != 2 || node.integer("transA", 0) != 0) {
    throw Unsupported{"its second factor is no matrix, or its first is transposed"};
  }
  const bool turned = node.integer("transB", 0) != 0;
  const std::int64_t outputs = turned ? w.dims[0] : w.dims[1];
  std::vector<float> weight = w.as_floats();
  if (!turned) weight = transposed(weight, w.dims[0], w.dims[1]);
  for (float& v : weight) v *= node.real("alpha", 1);
  if (!m.has_input(node, 2)) {
    fully_connected(m, node, w, std::move(weight), outputs, nullptr);
    return;
  }
  std::vector<float> bias = m.constant(node, 2).as_floats();
  if (static_cast<std::int64_t>(bias.size()) != outputs) {
    throw Unsupported{fmt::format("a bias of {} for {} outputs", bias.size(), outputs)};
  }
  for (float& v : bias) v *= node.real("beta", 1);
  fully_connected(m, node, w, std::move(weight), outputs, &bias);
}

void mat_mul(Importer& m, const NodeProto& node) {
  const TensorProto& w = m.constant(node, 1);
  if (w.dims.size() != 2) throw Unsupported{"its second factor is no matrix"};
  const TensorProto* behind = m.take_bias_behind(node, w.dims[1]);
  const std::vector<float> bias = behind == nullptr ? std::vector<float>{} : behind->as_floats();
  fully_connected(m, node, w, transposed(w.as_floats(), w.dims[0], w.dims[1]), w.dims[1],
                  behind == nullptr ? nullptr : &bias);
}

void softmax(Importer& m, const NodeProto& node) {
  if (!m.is_model_output(node)) throw Unsupported{"is not the model's last node"};
  m.define(node.outputs[0], m.input(node, 0));
}

void pad(Importer& m, const NodeProto& node) {
  constexpr int kInputsSince = 11;
  Value x = m.input(node, 0, Form::kImage);
  const AttributeProto* mode = node.find("mode");
  if (mode != nullptr && !mode->s.empty() && mode->s != "constant") {
    throw Unsupported{"mode is " + mode->s};
  }
  const bool by_inputs = m.opset() >= kInputsSince;
  const AttributeProto* attribute = node.find("pads");
  std::vector<std::int64_t> pads;
  if (by_inputs) pads = m.integers(node, 1);
  if (!by_inputs && attribute != nullptr) pads = attribute->ints;
  const float value = by_inputs ? (m.has_input(node, 2) ? m.constant(node, 2).as_floats().at(0) : 0)
                                : node.real("value", 0);
  if (value != 0 || pads.size() != 8 || pads[0] != 0 || pads[1] != 0 || pads[4] != 0 ||
      pads[5] != 0 || m.has_input(node, 3)) {
    throw Unsupported{"only zeros around height and width are"};
  }
  x.pads = {pad_of(pads[2]), pad_of(pads[3]), pad_of(pads[6]), pad_of(pads[7])};
  m.define(node.outputs[0], std::move(x));
}

void pass(Importer& m, const NodeProto& node) { m.define(node.outputs[0], m.input(node, 0)); }

void transpose(Importer& m, const NodeProto& node) {
  if (fold_transpose(m, node)) return;
  throw Unsupported{"only (N,H,W,3) to (N,3,H,W) right behind the input is"};
}

}  // namespace

const std::vector<Operator>& operators() {
  static const std::vector<Operator> all = {
      {"Add", add, "of two values of one shape, or of a bias behind Conv or MatMul"},
      {"AveragePool", average_pool, "square windows; ceil_mode, count_include_pad, auto_pad"},
      {"BatchNormalization", batch_normalization, "of images, in evaluation"},
      {"Cast", fold_cast, "of shapes"},
      {"Clip", clip, "0 to 6 (ReLU6) or from 0 (ReLU)"},
      {"Concat", concat, "of channels; of shapes"},
      {"Constant", fold_constant, ""},
      {"ConstantOfShape", fold_constant_of_shape, "of shapes"},
      {"Conv", conv, "2-D; groups, dilation, auto_pad, any padding; equal strides"},
      {"DequantizeLinear", dequantize_linear, "of 8-bit weights, or behind QuantizeLinear"},
      {"Div", fold_binary, "of shapes"},
      {"Dropout", pass, "left out"},
      {"Flatten", flatten, "axis 1"},
      {"Gather", fold_gather, "of shapes"},
      {"Gemm", gemm, "with constant weights"},
      {"GlobalAveragePool", global_average_pool, ""},
      {"Identity", pass, ""},
      {"LogSoftmax", softmax, "as the last node; left out"},
      {"MatMul", mat_mul, "with constant weights"},
      {"MaxPool", max_pool, "square windows up to 15; ceil_mode, auto_pad; no indices"},
      {"Mul", fold_binary, "of shapes"},
      {"Pad", pad, "zeros around height and width, before Conv or AveragePool"},
      {"QuantizeLinear", quantize_linear, "to 8 bits, before DequantizeLinear; left out"},
      {"ReduceMean", reduce_mean, "over height and width"},
      {"Relu", relu, ""},
      {"Reshape", reshape, "to (N,-1)"},
      {"Shape", fold_shape, ""},
      {"Slice", fold_slice, "of shapes, step 1 or -1"},
      {"Softmax", softmax, "as the last node; left out"},
      {"Squeeze", fold_squeeze, "of shapes, or of height and width of a pooled image"},
      {"Sub", fold_binary, "of shapes"},
      {"Transpose", transpose, "(N,H,W,3) to (N,3,H,W) right behind the input; of shapes"},
      {"Unsqueeze", fold_unsqueeze, "of shapes"},
  };
  return all;
}

}  // namespace graft::onnx::detail
