// SPDX-License-Identifier: Apache-2.0
#include "models/onnx/detail/quantized.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "layers/nn/pointwise.h"

namespace graft::onnx::detail {
namespace {

using Form = Value::Form;

constexpr std::string_view kSuffix = "_quantized";  // that ONNX Runtime's tool adds to a weight

/// Lowest and highest 8-bit value of a type.
std::pair<int, int> limits_of(ElementType type) {
  if (type == ElementType::kUint8) return {0, 255};
  if (type == ElementType::kInt8) return {-128, 127};
  throw Unsupported{
      fmt::format("quantises to element type {}; 8-bit integers are", static_cast<int>(type))};
}

/// Steps of a tensor: one for all, or one for each index of an axis.
struct Grid {
  std::vector<float> scale;
  std::vector<std::int64_t> zero;  // as many
  std::int64_t axis = 0;

  [[nodiscard]] std::size_t at(std::int64_t index) const {
    return scale.size() == 1 ? 0 : static_cast<std::size_t>(index);
  }
};

/// Of inputs 1 and 2 of `node`, for a tensor of `dims`.
Grid grid_of(Importer& m, const NodeProto& node, const std::vector<std::int64_t>& dims) {
  Grid g;
  g.scale = m.constant(node, 1).as_floats();
  g.zero.assign(g.scale.size(), 0);
  if (m.has_input(node, 2)) g.zero = m.constant(node, 2).as_integers();
  const auto rank = static_cast<std::int64_t>(dims.size());
  g.axis = node.integer("axis", 1);
  if (g.axis < 0) g.axis += rank;
  const bool per_axis = g.scale.size() > 1;
  if (g.scale.empty() || g.zero.size() != g.scale.size() || node.integer("block_size", 0) != 0 ||
      (per_axis &&
       (g.axis < 0 || g.axis >= rank ||
        dims[static_cast<std::size_t>(g.axis)] != static_cast<std::int64_t>(g.scale.size())))) {
    throw Unsupported{
        "its scales are neither one for the tensor nor one for each index of an axis"};
  }
  for (const float s : g.scale) {
    if (!(s > 0) || !std::isfinite(s)) throw Unsupported{fmt::format("a scale is {}", s)};
  }
  return g;
}

/// f(flat index, index on the grid) for every element.
template <class F>
void for_each(const std::vector<std::int64_t>& dims, const Grid& grid, const F& f) {
  std::int64_t n = 1, inner = 1;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    n *= dims[i];
    if (static_cast<std::int64_t>(i) > grid.axis) inner *= dims[i];
  }
  const std::int64_t extent =
      grid.scale.size() == 1 ? 1 : static_cast<std::int64_t>(grid.scale.size());
  for (std::int64_t i = 0; i < n; ++i) {
    f(static_cast<std::size_t>(i), grid.at(i / std::max<std::int64_t>(inner, 1) % extent));
  }
}

std::string float_name(const TensorProto& t) {
  return t.name.ends_with(kSuffix) ? t.name.substr(0, t.name.size() - kSuffix.size()) : t.name;
}

Value made(Importer& m, const TensorProto& like, std::vector<float> values) {
  TensorProto t;
  t.name = float_name(like);
  t.dims = like.dims;
  t.type = ElementType::kFloat;
  t.floats = std::move(values);
  t.in_steps = true;
  return {.form = Form::kConstant, .constant = m.keep(std::move(t))};
}

/// Exporters drop a ReLU whose work the lower end of the 8-bit range does.
ValueId clamped(Importer& m, const NodeProto& node, const Value& x, const Grid& g,
                std::pair<int, int> limits) {
  constexpr float kSix = 6;
  if (g.zero[0] != limits.first || m.is_nonnegative(x.id)) return x.id;
  const float highest = g.scale[0] * static_cast<float>(limits.second - limits.first);
  const bool six = std::fabs(highest - kSix) <= g.scale[0];
  return m.add(m.name_for(node, nullptr),
               std::make_shared<ActivationLayer>(six ? Activation::kRelu6 : Activation::kRelu),
               {x.id});
}

}  // namespace

void quantize_linear(Importer& m, const NodeProto& node) {
  Value x = m.input(node, 0);
  const ElementType type =
      m.has_input(node, 2) ? m.constant(node, 2).type
                           : static_cast<ElementType>(node.integer(
                                 "output_dtype", static_cast<std::int64_t>(ElementType::kUint8)));
  const auto limits = limits_of(type);
  if (x.form == Form::kConstant) {
    const Grid g = grid_of(m, node, x.constant->dims);
    std::vector<float> values = x.constant->as_floats();
    for_each(x.constant->dims, g, [&](std::size_t i, std::size_t at) {
      const float zero = static_cast<float>(g.zero[at]);
      const float q =
          std::clamp(std::nearbyint(values[i] / g.scale[at]) + zero,
                     static_cast<float>(limits.first), static_cast<float>(limits.second));
      values[i] = (q - zero) * g.scale[at];
    });
    x = made(m, *x.constant, std::move(values));
  } else {
    if (x.id == kNoValue || x.pads.any()) {
      throw Unsupported{fmt::format("quantises {}", name(x.form))};
    }
    const Grid g = grid_of(m, node, {});
    x.id = clamped(m, node, x, g, limits);
    m.note_steps(x.id, {g.scale[0], static_cast<int>(g.zero[0]) - limits.first});
  }
  x.quantised = true;
  m.define(node.outputs[0], std::move(x));
  m.count_quantised();
}

void dequantize_linear(Importer& m, const NodeProto& node) {
  Value x = m.input(node, 0);
  if (x.quantised) {
    x.quantised = false;
    m.define(node.outputs[0], std::move(x));
    return;
  }
  if (x.form != Form::kConstant || x.constant->is_floating()) {
    throw Unsupported{
        fmt::format("dequantises {}, neither 8-bit weights nor what QuantizeLinear "
                    "made",
                    name(x.form))};
  }
  const Grid g = grid_of(m, node, x.constant->dims);
  const std::vector<std::int64_t> q = x.constant->as_integers();
  std::vector<float> values(q.size());
  for_each(x.constant->dims, g, [&](std::size_t i, std::size_t at) {
    values[i] = static_cast<float>(q[i] - g.zero[at]) * g.scale[at];
  });
  m.define(node.outputs[0], made(m, *x.constant, std::move(values)));
  m.count_quantised();
}

}  // namespace graft::onnx::detail
