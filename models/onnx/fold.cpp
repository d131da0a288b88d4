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

void fold_slice(Importer& m, const NodeProto& node) {
  constexpr int kInputsSince = 10;
  (void)integers_at(m, node, 0);
  const auto from = m.integers(node, 0);
  const auto bound = [&](std::size_t index, const char* attribute) -> std::int64_t {
    const AttributeProto* a = node.find(attribute);
    const auto n = m.opset() >= kInputsSince ? m.integers(node, index)
                   : a != nullptr            ? a->ints
                                             : std::vector<std::int64_t>{};
    if (n.size() != 1) throw Unsupported{"of more than one axis"};
    const auto size = static_cast<std::int64_t>(from.size());
    return std::clamp<std::int64_t>(n[0] < 0 ? n[0] + size : n[0], 0, size);
  };
  if (m.has_input(node, 4) && m.integers(node, 4) != std::vector<std::int64_t>{1}) {
    throw Unsupported{"step is not 1"};
  }
  const auto begin = bound(1, "starts"), end = std::max(begin, bound(2, "ends"));
  m.define(node.outputs[0], list({from.begin() + begin, from.begin() + end}));
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
