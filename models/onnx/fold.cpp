// SPDX-License-Identifier: Apache-2.0
#include "models/onnx/detail/fold.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace graft::onnx::detail {
namespace {

using Form = Value::Form;

constexpr std::int64_t kLargest = std::int64_t{1} << 40;  // of a folded number

Value list(std::vector<std::int64_t> integers) {
  return {.form = Form::kIntegers, .integers = std::move(integers)};
}

Value number(std::int64_t n) {
  return {.form = Form::kIntegers, .integers = {n}, .is_list = false};
}

/// Integers that an input is or, as a small constant, holds.
bool is_integers(const Value& v) {
  return v.form == Form::kIntegers ||
         (v.form == Form::kConstant && !v.constant->is_floating() && v.constant->dims.size() <= 1 &&
          v.constant->numel() <= static_cast<std::int64_t>(kMaxShapeNumbers));
}

bool is_list(const Value& v) {
  return v.form == Form::kIntegers ? v.is_list : !v.constant->dims.empty();
}

const Value& integers_at(Importer& m, const NodeProto& node, std::size_t index) {
  const Value& v = m.input(node, index);
  if (!is_integers(v)) {
    throw Unsupported{fmt::format("input {} is {}; only shapes are computed", index, name(v.form))};
  }
  return v;
}

std::int64_t checked(std::int64_t n) {
  if (n < -kLargest || n > kLargest) throw Unsupported{"a shape's arithmetic overflows"};
  return n;
}

std::int64_t apply(const std::string& op, std::int64_t a, std::int64_t b) {
  if (a == kBatch || b == kBatch) throw Unsupported{"computes with the size of the batch"};
  checked(a);
  checked(b);
  std::int64_t out = 0;
  if (op == "Add") return checked(a + b);
  if (op == "Sub") return checked(a - b);
  if (op == "Mul") {
    if (__builtin_mul_overflow(a, b, &out)) throw Unsupported{"a shape's arithmetic overflows"};
    return checked(out);
  }
  if (b == 0) throw Unsupported{"divides a shape by zero"};
  return a / b;
}

}  // namespace

void fold_cast(Importer& m, const NodeProto& node) {
  m.define(node.outputs[0], integers_at(m, node, 0));
}

void fold_constant(Importer& m, const NodeProto& node) {
  if (const AttributeProto* a = node.find("value"); a != nullptr && a->tensors.size() == 1) {
    m.define(node.outputs[0], {.form = Form::kConstant, .constant = a->tensors.data()});
  } else if (const AttributeProto* i = node.find("value_int"); i != nullptr) {
    m.define(node.outputs[0], number(i->i));
  } else if (const AttributeProto* ints = node.find("value_ints"); ints != nullptr) {
    m.define(node.outputs[0], list(ints->ints));
  } else {
    throw Unsupported{"holds no tensor and no integers"};
  }
}

bool fold_arithmetic(Importer& m, const NodeProto& node) {
  const Value &a = m.input(node, 0), &b = m.input(node, 1);
  if (!is_integers(a) || !is_integers(b)) return false;
  const auto x = m.integers(node, 0), y = m.integers(node, 1);
  if (x.size() != y.size() && x.size() != 1 && y.size() != 1) {
    throw Unsupported{"shapes of different lengths"};
  }
  std::vector<std::int64_t> out(x.empty() || y.empty() ? 0 : std::max(x.size(), y.size()));
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = apply(node.op, x[x.size() == 1 ? 0 : i], y[y.size() == 1 ? 0 : i]);
  }
  Value v = list(std::move(out));
  v.is_list = is_list(a) || is_list(b);
  m.define(node.outputs[0], std::move(v));
  return true;
}

void fold_binary(Importer& m, const NodeProto& node) {
  if (!fold_arithmetic(m, node)) throw Unsupported{"only the arithmetic of shapes is"};
}

bool fold_concat(Importer& m, const NodeProto& node) {
  if (!is_integers(m.input(node, 0))) return false;
  std::vector<std::int64_t> all;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    (void)integers_at(m, node, i);
    const auto part = m.integers(node, i);
    all.insert(all.end(), part.begin(), part.end());
    if (all.size() > kMaxShapeNumbers) throw Unsupported{"a shape without end"};
  }
  m.define(node.outputs[0], list(std::move(all)));
  return true;
}

void fold_gather(Importer& m, const NodeProto& node) {
  (void)integers_at(m, node, 0);
  const auto from = m.integers(node, 0);
  const Value& index = integers_at(m, node, 1);
  std::vector<std::int64_t> out;
  for (std::int64_t i : m.integers(node, 1)) {
    if (i < 0) i += static_cast<std::int64_t>(from.size());
    if (i < 0 || i >= static_cast<std::int64_t>(from.size()))
      throw Unsupported{"index out of range"};
    out.push_back(from[static_cast<std::size_t>(i)]);
  }
  Value v = list(std::move(out));
  v.is_list = is_list(index);
  m.define(node.outputs[0], std::move(v));
}

void fold_shape(Importer& m, const NodeProto& node) {
  const Value& x = m.input(node, 0);
  if (x.id == kNoValue || x.form == Form::kFlattened || x.pads.any()) {
    throw Unsupported{fmt::format("of {}", name(x.form))};
  }
  const Shape& s = m.shape(x);
  switch (x.form) {
    case Form::kRow:
      m.define(node.outputs[0], list({kBatch, s[1]}));
      return;
    case Form::kPooled:
      m.define(node.outputs[0], list({kBatch, s[1], 1, 1}));
      return;
    default:
      m.define(node.outputs[0], list({kBatch, s[3], s[1], s[2]}));
  }
}

/// One bound of a Slice along its only axis, from an input or, before opset 10, an attribute.
std::int64_t slice_bound(Importer& m, const NodeProto& node, std::size_t index,
                         std::string_view attribute) {
  constexpr int kInputsSince = 10;
  const AttributeProto* a = node.find(attribute);
  const auto n = m.opset() >= kInputsSince ? m.integers(node, index)
                 : a != nullptr            ? a->ints
                                           : std::vector<std::int64_t>{};
  if (n.size() != 1) throw Unsupported{"of more than one axis"};
  return n[0];
}

/// Rows from start towards end, forwards or all of them backwards.
void fold_slice(Importer& m, const NodeProto& node) {
  const Value& x = integers_at(m, node, 0);
  const auto from = m.integers(node, 0);
  const std::int64_t width = std::max<std::int64_t>(x.columns, 1);
  const std::int64_t rows = static_cast<std::int64_t>(from.size()) / width;
  const std::int64_t step = m.has_input(node, 4) ? slice_bound(m, node, 4, "") : 1;
  if (m.has_input(node, 3) && slice_bound(m, node, 3, "axes") != 0) {
    throw Unsupported{"of another axis than the first"};
  }
  const auto bound = [&](std::size_t index, const char* attribute) {
    const std::int64_t n = slice_bound(m, node, index, attribute);
    return std::clamp<std::int64_t>(n < 0 && n >= -rows ? n + rows : n, -1, rows);
  };
  std::int64_t begin = bound(1, "starts"), end = bound(2, "ends");
  if (step == -1) {
    begin = std::min(begin, rows - 1);
  } else if (step == 1) {
    begin = std::max<std::int64_t>(begin, 0);
  } else {
    throw Unsupported{fmt::format("step {}; 1 and -1 are", step)};
  }
  Value out = list({});
  out.columns = x.columns;
  for (std::int64_t row = begin; step > 0 ? row < end : row > end; row += step) {
    out.integers.insert(out.integers.end(), from.begin() + row * width,
                        from.begin() + (row + 1) * width);
  }
  m.define(node.outputs[0], std::move(out));
}

void fold_constant_of_shape(Importer& m, const NodeProto& node) {
  const auto shape = m.integers(node, 0);
  const AttributeProto* a = node.find("value");
  if (shape.size() != 1 || shape[0] < 0 || shape[0] > static_cast<std::int64_t>(kMaxShapeNumbers) ||
      a == nullptr || a->tensors.size() != 1 || a->tensors[0].numel() != 1 ||
      a->tensors[0].is_floating()) {
    throw Unsupported{"only short lists of integers are made"};
  }
  m.define(node.outputs[0], list(std::vector<std::int64_t>(static_cast<std::size_t>(shape[0]),
                                                           a->tensors[0].as_integers().at(0))));
}

bool fold_reshape(Importer& m, const NodeProto& node) {
  if (!is_integers(m.input(node, 0))) return false;
  Value v = list(m.integers(node, 0));
  const auto to = m.integers(node, 1);
  if (to.size() == 2 && to[0] == -1 && to[1] > 0 &&
      static_cast<std::int64_t>(v.integers.size()) % to[1] == 0) {
    v.columns = to[1];
  } else if (to.size() != 1) {
    throw Unsupported{"reshapes integers to more than a matrix"};
  }
  m.define(node.outputs[0], std::move(v));
  return true;
}

bool fold_transpose(Importer& m, const NodeProto& node) {
  const Value& x = m.input(node, 0);
  if (x.form != Form::kIntegers || x.columns == 0) return false;
  Value v = list({});
  const auto width = static_cast<std::size_t>(x.columns), rows = x.integers.size() / width;
  for (std::size_t column = 0; column < width; ++column) {
    for (std::size_t row = 0; row < rows; ++row)
      v.integers.push_back(x.integers[row * width + column]);
  }
  v.columns = static_cast<std::int64_t>(rows);
  m.define(node.outputs[0], std::move(v));
  return true;
}

void fold_squeeze(Importer& m, const NodeProto& node) {
  const Value& x = m.input(node, 0);
  if (x.form == Form::kPooled) {
    m.define(node.outputs[0], {.form = Form::kRow, .id = x.id});
    return;
  }
  const Value& v = integers_at(m, node, 0);
  const auto values = m.integers(node, 0);
  if (!is_list(v) || values.size() != 1) throw Unsupported{"of a shape of more than one number"};
  m.define(node.outputs[0], number(values[0]));
}

void fold_unsqueeze(Importer& m, const NodeProto& node) {
  const Value& v = integers_at(m, node, 0);
  if (is_list(v)) throw Unsupported{"of a list"};
  m.define(node.outputs[0], list(m.integers(node, 0)));
}

}  // namespace graft::onnx::detail
